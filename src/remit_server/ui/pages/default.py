"""POST /accounts/{id}/default: which account agents get that name none."""

from __future__ import annotations

from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.accounts import accounts_page, label_of
from remit_server.ui.pages.doorkeeper import posted
from remit_server.vault import accounts
from remit_server.wire.http import Answer, Request


class MakeDefault:
    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        sent = await posted(request, machines, back="/accounts")
        if isinstance(sent, Answer):
            return sent
        account = await accounts.changeable(machines, sent.user, request.params["id"])
        await accounts.make_default(machines, sent.user, account)
        done = f"{label_of(account)} is the default now: agents that name no account get it."
        return await accounts_page(machines, self._pages, sent.who, sent.user, done=done)
