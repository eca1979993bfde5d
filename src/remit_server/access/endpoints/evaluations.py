"""POST /access/v1/evaluations: many questions, as many decisions in the same order (AuthZEN 1.0 section 7)."""

from __future__ import annotations

from typing import Any, Final

from remit_server.access.askers import Asker, about, asker
from remit_server.access.endpoints.evaluation import Evaluation as Single
from remit_server.access.evaluate import Evaluation, body_of, decide, decision, echoing, evaluation, refused
from remit_server.access.withheld import Withheld
from remit_server.errors import InvalidRequest, ProtocolError, ServerError
from remit_server.runtime.machines import Machines
from remit_server.wire.http import Answer, Request, json_answer

MOST: Final = 100
_STOPS: Final = {"execute_all": None, "deny_on_first_deny": False, "permit_on_first_permit": True}
"""The decision after which the rest is left out."""


class Evaluations:
    def __init__(self, machines: Machines, withheld: Withheld) -> None:
        self._machines, self._withheld = machines, withheld
        self._single = Single(machines, withheld)

    async def __call__(self, request: Request) -> Answer:
        try:
            who = await asker(request, self._machines)
            body = await body_of(request)
            if not body.get("evaluations"):  # section 7.1: then it is a single one
                return echoing(request, json_answer(await self._single.decided(who, body)))
            return echoing(request, json_answer({"evaluations": await self._all(who, body)}))
        except ProtocolError as error:
            raise refused(request, error) from error

    async def _all(self, who: Asker, body: dict[str, Any]) -> list[dict[str, Any]]:
        """All are decided together, so that they are read together; what comes after the one that settles it is left out."""
        asked, options = body["evaluations"], body.get("options") or {}
        semantic = options.get("evaluations_semantic", "execute_all") if isinstance(options, dict) else None
        if not isinstance(semantic, str) or semantic not in _STOPS:
            raise InvalidRequest(f"evaluations_semantic is one of {', '.join(_STOPS)}.")
        if not isinstance(asked, list) or len(asked) > MOST:
            raise InvalidRequest(f"evaluations is a list of at most {MOST}.")
        settled: dict[tuple[str, str], ProtocolError | None] = {}
        questions = [await self._asked(who, each, body, settled) for each in asked]
        verdicts = await decide(self._machines, who, questions)
        await self._withheld.note(who, questions, verdicts)
        decisions = [decision(who, verdict) for verdict in verdicts]
        for place, one in enumerate(decisions):
            if one["decision"] is _STOPS[semantic]:
                return decisions[: place + 1]
        return decisions

    async def _asked(
        self, who: Asker, value: Any, defaults: dict[str, Any], settled: dict[tuple[str, str], ProtocolError | None]
    ) -> Evaluation | ProtocolError:
        """The question, or what is wrong with it; `settled` has the subjects that were looked at."""
        try:
            asked = evaluation(value, defaults)
        except InvalidRequest as error:
            return error
        subject = asked.subject_type, asked.subject_id
        if subject not in settled:
            settled[subject] = await self._refusal(who, *subject)
        return settled[subject] or asked

    async def _refusal(self, who: Asker, kind: str, id_: str) -> ProtocolError | None:
        try:
            await about(self._machines, who, kind, id_)
        except ProtocolError as error:
            if error.status >= ServerError.status:
                raise
            return error
        return None
