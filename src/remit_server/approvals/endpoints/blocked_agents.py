"""GET /me/v1/blocked-agents; PUT and DELETE /me/v1/blocked-agents/{client_id}: who may not ask the person."""

from __future__ import annotations

from remit_server.approvals.standing import agent, blocking, done, own, unblock
from remit_server.runtime.machines import Machines
from remit_server.wire.bearer import person
from remit_server.wire.http import NO_STORE, Answer, Request, json_answer


class BlockedAgents:
    """All of them, the newest first."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who, user = await person(request, machines, scopes=("read:me:agents",))
        own(who)
        found = await machines.store.blocked_askers.of_user(user.id)
        clients = {client_id: await machines.store.clients.get(client_id) for client_id in found}
        return json_answer(
            {
                "agents": [
                    {
                        "client_id": client_id,
                        "name": client.name if client else client_id,
                        "blocked_at": found[client_id],
                    }
                    for client_id, client in clients.items()
                ]
            }
        )


class BlockedAgent:
    """One of them is added, or may ask again."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who, user = await person(request, machines, scopes=("update:me:agents",))
        own(who)
        client_id = request.params["client_id"]
        if request.method == "DELETE":
            await unblock(machines, user, client_id, address=request.address)
        elif not await machines.store.blocked_askers.has(user.id, (await agent(machines, client_id)).id):
            await done(machines, blocking(machines, user, client_id, address=request.address))
        return Answer(204, headers=NO_STORE)
