"""GET /me/v1/approvals and /me/v1/approvals/{id}: what the signed-in person is asked."""

from __future__ import annotations

from asyncio import gather

from remit_server.approvals.shown import shown
from remit_server.rules import answering
from remit_server.runtime.machines import Machines
from remit_server.wire.bearer import person
from remit_server.wire.details import known_types
from remit_server.wire.http import Answer, Request, json_answer


class Approvals:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        _, user = await person(request, machines, scopes=("read:me:approvals",))
        approval_id = request.params.get("id")
        if approval_id is None:
            found = await machines.store.approvals.of_user(user.id)
            types = await known_types(machines)
            # Side by side: what they read of agreements is one query.
            return json_answer({"approvals": await gather(*(shown(machines, each, types) for each in found))})
        approval = answering.addressed(await machines.store.approvals.get(approval_id), user)
        return json_answer(await shown(machines, approval))
