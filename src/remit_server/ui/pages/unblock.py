"""POST /allowances/blocked/{client_id}/unblock: the agent may ask the person again."""

from __future__ import annotations

from remit_server.approvals import standing
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.allowances import allowances_page
from remit_server.ui.pages.doorkeeper import posted
from remit_server.wire.http import Answer, Request


class Unblock:
    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        sent = await posted(request, machines, back="/allowances")
        if isinstance(sent, Answer):
            return sent
        await standing.unblock(machines, sent.user, request.params["client_id"], address=request.address)
        done = "It may ask you again. What it had of you before has not come back."
        return await allowances_page(machines, self._pages, sent.who, sent.user, done=done)
