"""GET /me/v1/connected-accounts/connections: what this app could connect for its user."""

from __future__ import annotations

from remit_server.runtime.machines import Machines
from remit_server.vault.paging import page
from remit_server.wire.bearer import person
from remit_server.wire.form import parse_query
from remit_server.wire.http import Answer, Request, json_answer


class Connections:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who, _ = await person(request, machines, scopes=("read:me:connected_accounts",))
        found = sorted(
            (
                each
                for each in await machines.store.connections.all()
                if "connected_accounts" in each.use and each.name in who.client.connections
            ),
            key=lambda connection: connection.name,
        )
        taken, more = page(parse_query(request), found, lambda connection: connection.name)
        listed = [
            {"name": each.name, "strategy": each.provider, "scopes": list(who.client.connections[each.name])}
            for each in taken
        ]
        return json_answer({"connections": listed, **more})
