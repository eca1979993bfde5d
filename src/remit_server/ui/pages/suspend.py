"""POST /console/agents/{id}/suspend: the stop button."""

from __future__ import annotations

from urllib.parse import urlencode

from remit_server.identity.advance import see_other
from remit_server.oversight import agents
from remit_server.runtime.machines import Machines
from remit_server.ui.pages.console import administrator
from remit_server.ui.pages.doorkeeper import posted
from remit_server.wire.http import Answer, Request


class Suspend:
    verb = staticmethod(agents.suspend)

    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        sent = await posted(request, machines, back="/console")
        if isinstance(sent, Answer):
            return sent
        by = administrator(sent.who).id
        client = await self.verb(machines.store, machines.clock, request.params["id"], user=by)
        return see_other("/console?" + urlencode({"agent": client.id}))
