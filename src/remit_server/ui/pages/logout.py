"""GET and POST /logout: sign out, after a question; GET /logout/done: it is done."""

from __future__ import annotations

from remit_server.identity import errands
from remit_server.identity.advance import see_other
from remit_server.identity.sign_out import DONE, sign_out
from remit_server.records import Interaction
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages, form_targets
from remit_server.ui.pages.login import HOME
from remit_server.ui.render import Page
from remit_server.ui.views.parts import Viewer
from remit_server.ui.views.sign_in import SignOutView
from remit_server.wire import csrf
from remit_server.wire.form import Form, parse_form, parse_query
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import Visitor, visitor


class Logout:
    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        who = await visitor(request, self._machines)
        form = await parse_form(request) if request.method == "POST" else parse_query(request)
        errand = await self._errand(who, form)
        target = errand.request.get("target") if errand else None
        if who.user is None:
            return see_other(target or DONE)
        if request.method == "POST":
            csrf.check(request, form, who, self._machines.settings)
            if form.get("answer") != "sign_out":
                return see_other(HOME)
            return see_other(target or DONE).adding(await sign_out(self._machines, who))
        client = await self._machines.store.clients.get(errand.client_id) if errand and errand.client_id else None
        user = who.user
        view = SignOutView(
            csrf=who.csrf,
            resume=form.get("resume") or "",
            viewer=Viewer(name=user.name or user.id, email=user.email or user.id),
            client_name=client.name if client else None,
        )
        return self._pages(Page(view, form_targets=form_targets(target) if target else ()))

    async def _errand(self, who: Visitor, form: Form) -> Interaction | None:
        resume = form.get("resume")
        errand = await errands.find(self._machines, who, resume) if resume else None
        return errand if errand and errand.kind == "sign_out" else None
