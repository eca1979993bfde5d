"""GET and POST /login/second-factor: the code of the person's authenticator app, or one of their passkeys."""

from __future__ import annotations

from remit_server.identity import passkeys, second_factor
from remit_server.identity.advance import Advance, see_other
from remit_server.identity.second_factor import Waiting
from remit_server.identity.sign_in import SignedIn, TooMany, Unrecognised
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
NO_PASSKEY = "That passkey did not prove who you are. Try again, or use another one of yours."


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
        credential = form.get("credential")
        if credential is not None:
            outcome: SignedIn | Unrecognised | TooMany = await second_factor.finish_by_passkey(
                machines, waiting, credential, who, request
            )
            wrong = {"passkey_error": NO_PASSKEY}
        else:
            outcome = await second_factor.finish_by_code(machines, waiting, form.get("code") or "", who, request)
            wrong = {"error": WRONG}
        if isinstance(outcome, TooMany):
            page = self._page(who, resume, waiting, towards, error=too_many(outcome.seconds), status=429)
            return page.adding(("retry-after", str(outcome.seconds)))
        if isinstance(outcome, SignedIn):
            return await go_on(self._advance, towards, outcome)
        return self._page(who, resume, waiting, towards, **wrong, status=401)

    def _page(
        self,
        who: Visitor,
        resume: str,
        waiting: Waiting,
        towards: Going,
        *,
        error: str | None = None,
        passkey_error: str | None = None,
        status: int = 200,
    ) -> Answer:
        view = SecondFactorView(
            csrf=who.csrf,
            resume=resume,
            identifier=waiting.user.email or waiting.user.name or waiting.user.id,
            app=waiting.app is not None,
            passkey=passkeys.request_for(second_factor.asking(self._machines, waiting, who), waiting.passkeys),
            error=error,
            passkey_error=passkey_error,
            other_href=f"/login?resume={waiting.first.resume}" if waiting.first.resume else "/login",
        )
        return self._pages(Page(view, status, form_targets(towards.asked.back.redirect_uri) if towards.asked else ()))
