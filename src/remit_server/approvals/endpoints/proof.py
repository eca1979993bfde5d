"""POST /me/v1/approvals/{id}/proof: what a passkey is to sign, for what the person is about to approve."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from remit_server.approvals import proof
from remit_server.approvals.ahead import Remember
from remit_server.errors import InvalidRequest
from remit_server.rules import answering, editing, scopes
from remit_server.runtime.machines import Machines
from remit_server.wire.bearer import person
from remit_server.wire.details import known_types
from remit_server.wire.http import Answer, Request, json_answer


class Body(Struct, frozen=True, forbid_unknown_fields=True):
    """About the `version` and `digest` that the person was shown; `details` are all of them, where some were edited."""

    version: int
    digest: str
    details: tuple[dict[str, Any], ...] | None = None
    remember: Remember | None = None


class Proof:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who, user = await person(request, machines, scopes=(scopes.ANSWER,))
        approval = answering.addressed(await machines.store.approvals.get(request.params["id"]), user)
        answering.carried_by(who.client, approval)
        try:
            body = msgspec.json.decode(await request.body(), type=Body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidRequest(f"The body does not say what is approved: {error}") from error
        answering.judge(approval, version=body.version, digest=body.digest, now=machines.clock.now())
        digest = approval.digest
        if body.details is not None:
            digest = editing.judge(approval.details, body.details, await known_types(machines)).digest
        has = await proof.means(machines, user)
        return json_answer({
            "risk": approval.risk, "digest": digest, "ways": list(has.ways),
            "passkey": proof.options(proof.Approving(approval=approval, digest=digest, remember=body.remember), has),
        })  # fmt: skip
