"""POST /me/v1/approvals/{id}/answer: a first-party app carries the person's answer."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from remit_server.approvals.ahead import Remember
from remit_server.approvals.answer import Answer as Said
from remit_server.approvals.answer import Authentication, answer
from remit_server.approvals.proof import Shown
from remit_server.approvals.shown import shown
from remit_server.errors import InvalidRequest
from remit_server.rules import answering, scopes
from remit_server.runtime.machines import Machines
from remit_server.wire.bearer import person
from remit_server.wire.http import Answer as HttpAnswer
from remit_server.wire.http import Request, json_answer

_OUTCOMES: Final[dict[str, Literal["approved", "denied", "asked"]]] = {
    "approve": "approved",
    "deny": "denied",
    "ask": "asked",
}


class Body(Struct, frozen=True, forbid_unknown_fields=True):
    """`answer` about the `version` and `digest` that the person was shown; the rest belongs to one answer each."""

    answer: Literal["approve", "deny", "ask"]
    version: int
    digest: str
    details: tuple[dict[str, Any], ...] | None = None
    remember: Remember | None = None
    proof: Shown | None = None
    reason: str | None = None
    block: bool = False
    report: bool = False
    stop: bool = False
    text: str | None = None


class Answer:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> HttpAnswer:
        machines = self._machines
        who, user = await person(request, machines, scopes=(scopes.ANSWER,))
        approval = answering.addressed(await machines.store.approvals.get(request.params["id"]), user)
        answering.carried_by(who.client, approval)
        try:
            body = msgspec.json.decode(await request.body(), type=Body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidRequest(f"The body is not an answer: {error}") from error
        members = msgspec.structs.asdict(body)
        said = Said(outcome=_OUTCOMES[members.pop("answer")], **members)
        grant = await machines.store.grants.get(who.token.grant_id) if who.token.grant_id else None
        proof = Authentication(auth_time=grant.auth_time, amr=grant.amr, acr=grant.acr) if grant else Authentication()
        return json_answer(await shown(machines, await answer(machines, approval, user, said, proof)))
