"""POST /notifications/trial: a message by each way that the person chose, to see that it comes."""

from __future__ import annotations

from remit_server.approvals.channels.ways import Trial
from remit_server.runtime.machines import Machines
from remit_server.ui.pages.doorkeeper import posted
from remit_server.ui.pages.notifications import Notifications
from remit_server.wire.http import Answer, Request


class TrialPage:
    def __init__(self, machines: Machines, page: Notifications, trial: Trial) -> None:
        self._machines, self._page, self._trial = machines, page, trial

    async def __call__(self, request: Request) -> Answer:
        sent = await posted(request, self._machines, back="/notifications")
        if isinstance(sent, Answer):
            return sent
        tried = await self._trial.run(sent.user)
        if not tried:
            return await self._page.page(sent.who, sent.user, error="No way that you chose leads to you yet.")
        return await self._page.page(sent.who, sent.user, tried=tried)
