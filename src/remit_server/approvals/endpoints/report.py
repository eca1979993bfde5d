"""POST /me/v1/agents/{client_id}/report: the company is to look at an agent."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from remit_server.approvals.standing import agent, done, own, reporting
from remit_server.errors import InvalidRequest
from remit_server.rules.answering import LONGEST_REASON
from remit_server.runtime.machines import Machines
from remit_server.wire.bearer import person
from remit_server.wire.http import NO_STORE, Answer, Request


class Body(Struct, frozen=True, forbid_unknown_fields=True):
    reason: str


class Report:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who, user = await person(request, machines, scopes=("update:me:agents",))
        own(who)
        client = await agent(machines, request.params["client_id"])
        try:
            body = msgspec.json.decode(await request.body(), type=Body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidRequest(f"The body is not a report: {error}") from error
        if not 1 <= len(body.reason.strip()) <= LONGEST_REASON:
            raise InvalidRequest(f"A report needs a reason of {LONGEST_REASON} characters at most.")
        machines.throttle.check(f"report|{user.id}", per_minute=10, burst=10)
        await done(machines, reporting(machines, user, client.id, reason=body.reason, address=request.address))
        return Answer(204, headers=NO_STORE)
