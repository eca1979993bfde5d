"""POST /allowances/{id}/revoke: from the next request on the person is asked again."""

from __future__ import annotations

from remit_server.approvals.ahead import take_back
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.allowances import allowances_page
from remit_server.ui.pages.doorkeeper import posted
from remit_server.wire.http import Answer, Request


class RevokeAllowance:
    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        sent = await posted(request, machines, back="/allowances")
        if isinstance(sent, Answer):
            return sent
        await take_back(machines, sent.user, request.params["id"], address=request.address)
        done = "It is taken back. You are asked again."
        return await allowances_page(machines, self._pages, sent.who, sent.user, done=done)
