"""POST /me/v1/connected-accounts/connect: an app begins to connect an account of its user."""

from __future__ import annotations

from remit_server.rules.connecting import LIFETIME, wish
from remit_server.runtime.machines import Machines
from remit_server.vault import connect
from remit_server.wire.bearer import person
from remit_server.wire.form import parse_json
from remit_server.wire.http import Answer, Request, json_answer


class Connect:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who, user = await person(request, machines, scopes=("create:me:connected_accounts",))
        machines.throttle.check(f"connect|{who.client.id}|{user.id}", per_minute=30, burst=30)
        asked = wish(parse_json(await request.body()), who.client)
        begun = await connect.begin(machines, user, asked.connection, client=who.client, wish=asked)
        return json_answer(
            {
                "auth_session": begun.auth_session,
                # Without a query: SDKs replace what is there, or append to it.
                "connect_uri": machines.settings.url("/connect"),
                "connect_params": {"ticket": begun.ticket},
                "expires_in": LIFETIME,
            },
            201,
        )
