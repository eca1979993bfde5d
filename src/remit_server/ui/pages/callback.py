"""GET /login/callback/{connection}: back from another provider. Each provider has a redirect URI of its own, so that an
answer of one cannot be taken for another's (RFC 9700 section 4.4.2.2)."""

from __future__ import annotations

from remit_server.errors import InvalidRequest
from remit_server.identity import errands, upstream
from remit_server.identity.advance import Advance
from remit_server.identity.sign_in import start_session
from remit_server.runtime.machines import Machines
from remit_server.ui.pages.login import go_on, going
from remit_server.wire.form import parse_query
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import visitor


class Callback:
    def __init__(self, machines: Machines, advance: Advance) -> None:
        self._machines, self._advance = machines, advance

    async def __call__(self, request: Request) -> Answer:
        machines, form = self._machines, parse_query(request)
        who = await visitor(request, machines)
        state = form.need("state")
        errand = await errands.find(machines, who, state)
        if errand.kind != "upstream" or errand.request["connection"] != request.params["connection"]:
            raise InvalidRequest("This answer belongs to another sign-in.", detail="state of another connection")
        towards = await going(machines, who, errand.request["resume"])
        person = await upstream.arrive(machines, errand, state, form)
        fresh = await start_session(
            machines, person.user, who, request, amr=person.amr, auth_time=person.auth_time, errand=towards.record
        )
        return await go_on(self._advance, towards, fresh)
