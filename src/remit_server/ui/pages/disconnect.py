"""POST /accounts/{id}/disconnect."""

from __future__ import annotations

from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.accounts import accounts_page, label_of, provider_name
from remit_server.ui.pages.doorkeeper import posted
from remit_server.vault import accounts
from remit_server.vault.disconnect import disconnect
from remit_server.wire.http import Answer, Request

SAID = {
    "confirmed": "The provider confirmed it.",
    "unconfirmed": "The provider did not confirm it: look into your settings there, too.",
    "untold": "The provider cannot be told from here: remove Remit, or its key, in your settings there, too.",
}


class Disconnect:
    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        sent = await posted(request, machines, back="/accounts")
        if isinstance(sent, Answer):
            return sent
        account = await accounts.changeable(machines, sent.user, request.params["id"])
        outcome = await disconnect(machines, sent.user, account)
        connection = await machines.store.connections.get(account.connection)
        name = provider_name(connection) if connection else account.connection
        done = f"{name} is disconnected: {label_of(account)}. {SAID[outcome]}"
        return await accounts_page(machines, self._pages, sent.who, sent.user, done=done)
