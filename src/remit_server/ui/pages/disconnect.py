"""POST /accounts/{id}/disconnect."""

from __future__ import annotations

from remit_server.errors import NotFound
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.accounts import accounts_page, provider_name
from remit_server.ui.pages.doorkeeper import sign_in_first, signed_in
from remit_server.vault.disconnect import disconnect
from remit_server.wire import csrf
from remit_server.wire.form import parse_form
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import visitor

SAID = {
    "confirmed": "The provider confirmed it.",
    "unconfirmed": "The provider did not confirm it: look into your settings there, too.",
}


class Disconnect:
    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

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
        outcome = await disconnect(machines, user, account.id)
        connection = await machines.store.connections.get(account.connection)
        name = provider_name(connection) if connection else account.connection
        return await accounts_page(machines, self._pages, who, user, done=f"{name} is disconnected. {SAID[outcome]}")
