"""POST /security/remove: sign in without the authenticator app from now on."""

from __future__ import annotations

from remit_server.identity import enrol
from remit_server.identity.second_factor import Proven
from remit_server.identity.sign_in import TooMany
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.doorkeeper import just_signed_in, sign_in_first
from remit_server.ui.pages.second_factor import WRONG, too_many
from remit_server.ui.pages.security import security_page
from remit_server.wire import csrf
from remit_server.wire.form import parse_form
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import visitor

DONE = "Your authenticator app is removed."
ALONE = f"{DONE} Your password alone signs you in again."


class Remove:
    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        machines, pages = self._machines, self._pages
        who = await visitor(request, machines)
        form = await parse_form(request)
        csrf.check(request, form, who, machines.settings)
        person = just_signed_in(who, machines)
        if person is None:
            return await sign_in_first(machines, who, "/security", again=True)
        user, _ = person
        factor = await machines.store.second_factors.get(user.id)
        if factor is None:
            return await security_page(machines, pages, who, user)
        outcome = await enrol.remove(machines, factor, form.get("code") or "", request)
        if isinstance(outcome, Proven):
            done = DONE if await machines.store.passkeys.of_user(user.id) else ALONE
            return await security_page(machines, pages, who, user, done=done)
        if isinstance(outcome, TooMany):
            page = await security_page(machines, pages, who, user, error=too_many(outcome.seconds), status=429)
            return page.adding(("retry-after", str(outcome.seconds)))
        return await security_page(machines, pages, who, user, error=WRONG, status=401)
