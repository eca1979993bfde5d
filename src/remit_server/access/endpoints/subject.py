"""POST /access/v1/search/subject: who may do this with that (AuthZEN 1.0 section 8.4)."""

from __future__ import annotations

from remit_server.access.askers import asker
from remit_server.access.evaluate import body_of, echoing, refused
from remit_server.access.search import search
from remit_server.errors import ProtocolError
from remit_server.runtime.machines import Machines
from remit_server.wire.http import Answer, Request, json_answer


class SubjectSearch:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        try:
            who = await asker(request, self._machines)
            found = await search(self._machines, who, "subject", await body_of(request))
        except ProtocolError as error:
            raise refused(request, error) from error
        return echoing(request, json_answer(found))
