"""POST /accounts/connect/start: the person goes to the provider, or does not want to."""

from __future__ import annotations

import msgspec

from remit_server.identity.advance import see_other
from remit_server.rules.connecting import return_url
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.accounts import provider_name
from remit_server.ui.pages.callback import connected_page
from remit_server.ui.pages.connect import is_typed, start_page
from remit_server.ui.pages.doorkeeper import Posted, posted
from remit_server.ui.render import Page
from remit_server.ui.telling import viewer_of
from remit_server.ui.views.accounts import ConnectDoneView, ConnectLeaveView
from remit_server.vault import connect, keyed
from remit_server.vault.connect import Chosen, NotConnectedHere, Opened
from remit_server.vault.keyed import Mistyped
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
        chosen = _chosen(sent.form, open_)
        if is_typed(open_.connection):
            return await self._typed(sent, open_, chosen)
        href = await connect.send_upstream(machines, open_, chosen)
        return self._pages(Page(ConnectLeaveView(provider=provider_name(open_.connection), href=href)))

    async def _typed(self, sent: Posted, open_: Opened, chosen: Chosen) -> Answer:
        machines, pages, attempt = self._machines, self._pages, open_.attempt
        values = {each.name: sent.form.get(f"field.{each.name}") or "" for each in open_.connection.fields}
        try:
            account, connect_code = await keyed.typed(machines, open_, chosen, values)
        except (Mistyped, NotConnectedHere) as error:
            wrong = error.fields if isinstance(error, Mistyped) else {open_.connection.fields[-1].name: error.text}
            ticket = sent.form.need("ticket")
            return await start_page(
                machines, pages, sent.who, ticket, open_, chosen=chosen, typed=values, wrong=wrong
            )  # fmt: skip
        if attempt.redirect_uri:
            return see_other(return_url(attempt.redirect_uri, connect_code=connect_code, state=attempt.state))
        meant = msgspec.structs.replace(attempt, account_id=chosen.account.id if chosen.account else None)
        return await connected_page(machines, pages, sent.user, meant, account)

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
