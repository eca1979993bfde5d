"""POST /console/agents/{id}/suspend: the stop button."""

from __future__ import annotations

from urllib.parse import urlencode

from remit_server.identity.advance import see_other
from remit_server.oversight import agents
from remit_server.runtime.machines import Machines
from remit_server.ui.pages.console import administrator
from remit_server.ui.pages.doorkeeper import sign_in_first, signed_in
from remit_server.wire import csrf
from remit_server.wire.form import parse_form
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import visitor


class Suspend:
    verb = staticmethod(agents.suspend)

    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who = await visitor(request, machines)
        csrf.check(request, await parse_form(request), who, machines.settings)
        if signed_in(who) is None:
            return await sign_in_first(machines, who, "/console")
        by = administrator(who).id
        client = await self.verb(machines.store, machines.clock, request.params["id"], user=by)
        return see_other("/console?" + urlencode({"agent": client.id}))
