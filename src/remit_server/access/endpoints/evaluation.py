"""POST /access/v1/evaluation: one question, one decision (AuthZEN 1.0 section 6). No is an answer, not an error."""

from __future__ import annotations

from typing import Any

from remit_server.access.askers import Asker, about, asker
from remit_server.access.evaluate import body_of, decide, decision, echoing, evaluation, refused
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
            return echoing(request, json_answer(await self.decided(who, await body_of(request))))
        except ProtocolError as error:
            raise refused(request, error) from error

    async def decided(self, who: Asker, body: dict[str, Any]) -> dict[str, Any]:
        """The decision, as JSON. Raises `InvalidRequest` or `Forbidden`."""
        asked = evaluation(body)
        await about(self._machines, who, asked.subject_type, asked.subject_id)
        (verdict,) = verdicts = await decide(self._machines, who, [asked])
        await self._withheld.note(who, [asked], verdicts)
        return decision(who, verdict)
