"""POST /device/answer: the person allows what the device asks for, or does not."""

from __future__ import annotations

from typing import Literal

from remit_server.approvals.answer import Answer as Said
from remit_server.approvals.answer import Authentication, answer, claim
from remit_server.rules import user_code
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.device import open_request
from remit_server.ui.pages.doorkeeper import posted
from remit_server.ui.render import Page
from remit_server.ui.telling import viewer_of
from remit_server.ui.views.device import DeviceDoneView
from remit_server.wire.http import Answer, Request


class DeviceAnswer:
    """Allow or not."""

    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        sent = await posted(request, machines, back="/device")
        if isinstance(sent, Answer):
            return sent
        form, user = sent.form, sent.user
        approval = await open_request(machines, request, user_code.normalised(form.get("user_code") or ""))
        outcome: Literal["approved", "denied"] = "approved" if form.need("answer") == "allow" else "denied"
        if approval.user_id is None:
            approval = await claim(machines, approval, user)
        said = Said(outcome=outcome, version=approval.version, digest=approval.digest)
        await answer(machines, approval, user, said, Authentication.of(sent.session))
        client = await machines.store.clients.get(approval.client_id)
        view = DeviceDoneView(
            viewer=await viewer_of(machines, user),
            agent_name=client.name if client else approval.client_id,
            allowed=outcome == "approved",
        )
        return self._pages(Page(view))
