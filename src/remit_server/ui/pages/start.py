"""POST /accounts/connect/start: the person goes to the provider, or does not want to."""

from __future__ import annotations

from remit_server.identity.advance import see_other
from remit_server.rules.connecting import return_url
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.accounts import provider_name
from remit_server.ui.pages.doorkeeper import posted
from remit_server.ui.render import Page
from remit_server.ui.telling import viewer_of
from remit_server.ui.views.accounts import ConnectDoneView, ConnectLeaveView
from remit_server.vault import connect
from remit_server.vault.connect import Chosen, Opened
from remit_server.wire.form import Form
from remit_server.wire.http import Answer, Request


class ConnectStart:
    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        sent = await posted(request, machines, back="/accounts")
        if isinstance(sent, Answer):
            return sent
        open_ = await connect.opened(machines, sent.form.need("ticket"), sent.user)
        if sent.form.need("answer") != "continue":
            return await self._cancelled(open_)
        href = await connect.send_upstream(machines, open_, _chosen(sent.form, open_))
        return self._pages(Page(ConnectLeaveView(provider=provider_name(open_.connection), href=href)))

    async def _cancelled(self, open_: Opened) -> Answer:
        await connect.cancel(self._machines, open_.attempt)
        if open_.attempt.redirect_uri:
            return see_other(
                return_url(open_.attempt.redirect_uri, error="access_denied", state=open_.attempt.state)
            )  # fmt: skip
        view = ConnectDoneView(
            viewer=await viewer_of(self._machines, open_.user), provider=provider_name(open_.connection),
            problem="You cancelled. Nothing was connected.",
        )  # fmt: skip
        return self._pages(Page(view))


def _chosen(form: Form, open_: Opened) -> Chosen:
    account = form.need("account")
    return Chosen(open_.meant(None if account == "new" else account), away=form.get("away") == "yes")
