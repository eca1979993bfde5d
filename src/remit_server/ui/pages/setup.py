"""GET and POST /setup: the first administrator, through the one-time link that the first start prints."""

from __future__ import annotations

import re

from remit_server.errors import Conflict, NotFound
from remit_server.identity.advance import see_other
from remit_server.management import set_up
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.render import Page
from remit_server.ui.views.sign_in import SetUpView
from remit_server.wire import csrf
from remit_server.wire.form import parse_form, parse_query
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import Visitor, remembering, visitor

_EMAIL = re.compile(r"[^\s@<>]+@[^\s@<>]+")


class Setup:
    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        machines.throttle.check(f"setup|{request.network}", per_minute=20, burst=20)
        who = await visitor(request, machines)
        if request.method != "POST":
            ticket = parse_query(request).get("ticket") or ""
            if not await set_up.holds(machines, ticket):
                raise NotFound
            return self._page(who, ticket)
        form = await parse_form(request)
        csrf.check(request, form, who, machines.settings)
        ticket, name = form.get("ticket") or "", (form.get("name") or "").strip()
        email, password = (form.get("email") or "").strip(), form.get("password") or ""
        wrong = _wrong(name, email, password)
        if not wrong:
            try:
                await set_up.create(
                    machines, ticket, name=name, email=email, password=password, address=request.address
                )
            except Conflict as error:
                wrong = {"email_error": error.text}
            else:
                return see_other("/login")
        elif not await set_up.holds(machines, ticket):
            raise NotFound
        return self._page(who, ticket, name=name[:200], email=email[:200], status=422, **wrong)

    def _page(self, who: Visitor, ticket: str, *, status: int = 200, **fields: str) -> Answer:
        view = SetUpView(
            csrf=who.csrf, ticket=ticket, issuer=self._machines.settings.issuer, password_length=set_up.SHORTEST_PASSWORD,
            **fields,
        )  # fmt: skip
        return remembering(self._pages(Page(view, status=status)), who, self._machines)


def _wrong(name: str, email: str, password: str) -> dict[str, str]:
    """What is wrong with the form, by field."""
    wrong = {}
    if not 1 <= len(name) <= 200:
        wrong["name_error"] = "Tell your name."
    if len(email) > 254 or not _EMAIL.fullmatch(email):
        wrong["email_error"] = "This is not an e-mail address."
    if not set_up.SHORTEST_PASSWORD <= len(password) <= 1000:
        wrong["password_error"] = f"Use at least {set_up.SHORTEST_PASSWORD} characters."
    return wrong
