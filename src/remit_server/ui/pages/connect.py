"""GET /connect: the hosted start page of a connect link. POST /accounts/connect: the person begins by themselves.

A link works for one person. Whoever else opens it reads that there is nothing here, and learns neither whose it is nor what
it was for: a link that an attacker sends must not make the victim's account theirs (nor theirs the victim's).
"""

from __future__ import annotations

from remit_server.identity.advance import see_other
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages, form_targets
from remit_server.ui.pages.accounts import provider_name
from remit_server.ui.pages.doorkeeper import here, sign_in_first, signed_in
from remit_server.ui.render import Page
from remit_server.ui.telling import viewer_of
from remit_server.ui.views.accounts import ConnectStartView
from remit_server.ui.wording import host
from remit_server.vault import connect
from remit_server.wire import csrf
from remit_server.wire.form import parse_form, parse_query
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import visitor


class ConnectPage:
    """Who asks, for what, and where it leads."""

    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who = await visitor(request, machines)
        ticket = parse_query(request).need("ticket")
        person = signed_in(who)
        if person is None:
            return await sign_in_first(machines, who, here(request))
        user, _ = person
        attempt, connection = await connect.opened(machines, ticket, user)
        client = await machines.store.clients.get(attempt.client_id) if attempt.client_id else None
        view = ConnectStartView(
            csrf=who.csrf,
            viewer=await viewer_of(machines, user),
            ticket=ticket,
            provider=provider_name(connection),
            provider_host=host(connection.authorization_endpoint),
            agent_name=client.name if client else None,
            scopes=attempt.scopes,
        )
        return self._pages(Page(view, form_targets=form_targets(attempt.redirect_uri) if attempt.redirect_uri else ()))


class ConnectByHand:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who = await visitor(request, machines)
        form = await parse_form(request)
        csrf.check(request, form, who, machines.settings)
        person = signed_in(who)
        if person is None:
            return await sign_in_first(machines, who, "/accounts")
        begun = await connect.begin(machines, person[0], form.need("connection"))
        return see_other(f"/connect?ticket={begun.ticket}")
