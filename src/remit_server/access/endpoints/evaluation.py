"""POST /access/v1/evaluation: one question, one decision (AuthZEN 1.0 section 6). No is an answer, not an error."""

from __future__ import annotations

from remit_server.access.askers import about, asker
from remit_server.access.evaluate import body_of, decide, echoing, evaluation, refused
from remit_server.access.withheld import Withheld
from remit_server.errors import ProtocolError
from remit_server.runtime.machines import Machines
from remit_server.wire.http import Answer, Request, json_answer


class Evaluation:
    def __init__(self, machines: Machines, withheld: Withheld) -> None:
        self._machines, self._withheld = machines, withheld

    async def __call__(self, request: Request) -> Answer:
        try:
            who = await asker(request, self._machines)
            asked = evaluation(await body_of(request))
            await about(self._machines, who, asked.subject_type, asked.subject_id)
            (decision,) = decisions = await decide(self._machines, who, [asked])
            await self._withheld.note(who, [asked], decisions)
        except ProtocolError as error:
            raise refused(request, error) from error
        return echoing(request, json_answer(decision))
