"""POST /accounts/connect/start: the person goes to the provider, or does not want to."""

from __future__ import annotations

from remit_server.identity.advance import see_other
from remit_server.rules.connecting import return_url
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.accounts import provider_name
from remit_server.ui.pages.doorkeeper import sign_in_first, signed_in
from remit_server.ui.render import Page
from remit_server.ui.telling import viewer_of
from remit_server.ui.views.accounts import ConnectDoneView, ConnectLeaveView
from remit_server.vault import connect
from remit_server.wire import csrf
from remit_server.wire.form import parse_form
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import visitor


class ConnectStart:
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
        attempt, connection = await connect.opened(machines, form.need("ticket"), user)
        provider = provider_name(connection)
        if form.need("answer") == "continue":
            href = await connect.send_upstream(machines, attempt, connection)
            return self._pages(Page(ConnectLeaveView(provider=provider, href=href)))
        await connect.cancel(machines, attempt)
        if attempt.redirect_uri:
            return see_other(return_url(attempt.redirect_uri, error="access_denied", state=attempt.state))
        view = ConnectDoneView(
            viewer=await viewer_of(machines, user), provider=provider, problem="You cancelled. Nothing was connected."
        )
        return self._pages(Page(view))
