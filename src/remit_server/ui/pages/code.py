"""POST /security/code: the person chooses the code that agents must bring (CIBA Core 1.0 section 7.1, user_code)."""

from __future__ import annotations

from remit_server.approvals import own_code
from remit_server.errors import InvalidRequest
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.doorkeeper import just_signed_in, sign_in_first
from remit_server.ui.pages.security import security_page
from remit_server.wire import csrf
from remit_server.wire.form import parse_form
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import visitor


class OwnCode:
    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who = await visitor(request, machines)
        form = await parse_form(request)
        csrf.check(request, form, who, machines.settings)
        person = just_signed_in(who, machines)
        if person is None:
            return await sign_in_first(machines, who, "/security", again=True)
        user, code = person[0], form.get("own_code") or ""
        try:
            user = await own_code.keep(machines.store, machines.clock, machines.passwords, user, code, by=user.id)
        except InvalidRequest as error:
            return await security_page(machines, self._pages, who, user, code_error=error.text, status=error.status)
        done = "Your code is kept. Tell it only to the agents that you let ask you."
        return await security_page(machines, self._pages, who, user, done=done)
