"""GET and POST /security/enrol: set up an authenticator app."""

from __future__ import annotations

from remit_server.errors import Conflict
from remit_server.identity import enrol
from remit_server.identity.advance import see_other
from remit_server.records import User
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.doorkeeper import just_signed_in, sign_in_first
from remit_server.ui.pages.security import security_page
from remit_server.ui.render import Page
from remit_server.ui.telling import viewer_of
from remit_server.ui.views.security import EnrolView
from remit_server.wire import csrf
from remit_server.wire.form import Form, parse_form, parse_query
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import Visitor, visitor

WRONG = "That is not the code of this moment. Is the clock of your device right?"
DONE = "Your authenticator app is set up. From now on you are asked for a code when you sign in with your password."


class Enrol:
    """A form without `resume` begins; with it, `code` ends."""

    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who = await visitor(request, machines)
        form = await parse_form(request) if request.method == "POST" else parse_query(request)
        if request.method == "POST":
            csrf.check(request, form, who, machines.settings)
        person = just_signed_in(who, machines)
        if person is None:
            return await sign_in_first(machines, who, "/security", again=True)
        user, _ = person
        if request.method != "POST":
            return await self._page(who, user, form.need("resume"))
        if not form.has("resume"):
            return await self._begin(who, user)
        return await self._confirm(request, form, who, user)

    async def _begin(self, who: Visitor, user: User) -> Answer:
        if await self._machines.store.second_factors.get(user.id):
            raise Conflict(enrol.ALREADY)
        return see_other(f"/security/enrol?resume={await enrol.begin(self._machines, who, user)}")

    async def _confirm(self, request: Request, form: Form, who: Visitor, user: User) -> Answer:
        machines, resume = self._machines, form.need("resume")
        enrolment = await enrol.find(machines, who, user, resume)
        if not await enrol.confirm(machines, user, enrolment, form.get("code") or "", request):
            return await self._page(who, user, resume, error=WRONG, status=401)
        return await security_page(machines, self._pages, who, user, done=DONE)

    async def _page(
        self, who: Visitor, user: User, resume: str, *, error: str | None = None, status: int = 200
    ) -> Answer:
        machines = self._machines
        enrolment = await enrol.find(machines, who, user, resume)
        view = EnrolView(
            csrf=who.csrf, viewer=await viewer_of(machines, user), resume=resume, secret=enrolment.secret, error=error
        )
        return self._pages(Page(view, status))
