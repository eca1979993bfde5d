"""POST /accounts/{id}/reconnect: mend an account in its place."""

from __future__ import annotations

from remit_server.errors import NotFound
from remit_server.identity.advance import see_other
from remit_server.runtime.machines import Machines
from remit_server.ui.pages.doorkeeper import sign_in_first, signed_in
from remit_server.vault import connect
from remit_server.wire import csrf
from remit_server.wire.form import parse_form
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import visitor


class Reconnect:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who = await visitor(request, machines)
        form = await parse_form(request)
        csrf.check(request, form, who, machines.settings)
        person = signed_in(who)
        if person is None:
            return await sign_in_first(machines, who, "/accounts")
        user, _ = person
        account = await machines.store.connected_accounts.get(request.params["id"], user.id)
        if account is None:
            raise NotFound
        begun = await connect.begin(machines, user, account.connection, scopes=account.scopes)
        return see_other(f"/connect?ticket={begun.ticket}")
