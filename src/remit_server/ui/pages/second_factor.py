"""GET and POST /login/second-factor: the code of the person's authenticator app."""

from __future__ import annotations

from remit_server.identity import second_factor
from remit_server.identity.advance import Advance, see_other
from remit_server.identity.second_factor import Proven, Waiting
from remit_server.identity.sign_in import SignedIn, TooMany
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages, form_targets
from remit_server.ui.pages.login import Going, go_on, going, words
from remit_server.ui.render import Page
from remit_server.ui.views.sign_in import SecondFactorView
from remit_server.wire import csrf
from remit_server.wire.form import parse_form, parse_query
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import Visitor, visitor

WRONG = "That is not the code of this moment, or it was used before. Wait for the next one."


def too_many(seconds: int) -> str:
    return f"Too many tries. Wait {words(seconds)}, then try again."


class SecondFactor:
    def __init__(self, machines: Machines, pages: Pages, advance: Advance) -> None:
        self._machines, self._pages, self._advance = machines, pages, advance

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who = await visitor(request, machines)
        form = await parse_form(request) if request.method == "POST" else parse_query(request)
        if request.method == "POST":
            csrf.check(request, form, who, machines.settings)
        resume = form.need("resume")
        first, waiting = await second_factor.find(machines, who, resume)
        if waiting is None:
            return see_other(f"/login?resume={first.resume}")
        towards = await going(machines, who, first.resume)
        if request.method != "POST":
            return self._page(who, resume, waiting, towards)
        outcome = await second_factor.by_code(machines, waiting.factor, form.get("code") or "", request)
        if isinstance(outcome, TooMany):
            page = self._page(who, resume, waiting, towards, error=too_many(outcome.seconds), status=429)
            return page.adding(("retry-after", str(outcome.seconds)))
        if isinstance(outcome, Proven):
            signed_in = await second_factor.finish(machines, waiting, outcome, who, request)
            if isinstance(signed_in, SignedIn):
                return await go_on(self._advance, towards, signed_in)
        return self._page(who, resume, waiting, towards, error=WRONG, status=401)

    def _page(
        self,
        who: Visitor,
        resume: str,
        waiting: Waiting,
        towards: Going,
        *,
        error: str | None = None,
        status: int = 200,
    ) -> Answer:
        view = SecondFactorView(
            csrf=who.csrf,
            resume=resume,
            identifier=waiting.user.email or waiting.user.name or waiting.user.id,
            error=error,
            other_href=f"/login?resume={waiting.first.resume}" if waiting.first.resume else "/login",
        )
        return self._pages(Page(view, status, form_targets(towards.asked.back.redirect_uri) if towards.asked else ()))
