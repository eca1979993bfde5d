"""POST /me/v1/agents/{client_id}/stop: all that an agent has of the person ends, at once."""

from __future__ import annotations

from remit_server.approvals.standing import agent, done, own, stopping
from remit_server.runtime.machines import Machines
from remit_server.wire.bearer import person
from remit_server.wire.http import NO_STORE, Answer, Request


class Stop:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who, user = await person(request, machines, scopes=("update:me:agents",))
        own(who)
        client = await agent(machines, request.params["client_id"])
        await done(machines, await stopping(machines, user, client.id, address=request.address))
        return Answer(204, headers=NO_STORE)
