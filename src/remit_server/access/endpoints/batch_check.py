"""POST /stores/{store_id}/batch-check: many questions, answered each by itself under the name that the client gave it."""

from __future__ import annotations

from typing import Any

from remit_server.access import members as m
from remit_server.access.askers import service
from remit_server.access.asking import Circumstances, asked, under
from remit_server.access.engine import Engine
from remit_server.access.members import members, store_id
from remit_server.access.refusals import said
from remit_server.access.stores import Stores
from remit_server.errors import InvalidRequest
from remit_server.rules.relations.check import Question, Verdict
from remit_server.runtime.machines import Machines
from remit_server.wire.http import Answer, Request, json_answer


class BatchCheck:
    def __init__(self, machines: Machines, stores: Stores, engine: Engine) -> None:
        self._machines, self._stores, self._engine = machines, stores, engine

    async def __call__(self, request: Request) -> Answer:
        await service(request, self._machines)
        body, settings = await members(request), self._machines.settings
        checks = body.each("checks", settings.relation_checks)
        if not checks:
            raise InvalidRequest("A batch has at least one check.")
        all_of_it = {
            one.text("correlation_id", m.CORRELATION): asked(one, settings.relation_contextual) for one in checks
        }
        if len(all_of_it) < len(checks):
            raise InvalidRequest("A correlation_id stands in the batch twice.")
        opened = await self._stores.open(store_id(request), under(body))
        circumstances, results, questions = Circumstances(opened), dict[str, Any](), dict[str, Question]()
        for name, one in all_of_it.items():
            try:
                questions[name] = circumstances.question(one)
            except InvalidRequest as error:
                results[name] = _result(error)
        verdicts = await self._engine.check(opened, list(questions.values()))
        results.update((name, _result(verdict)) for name, verdict in zip(questions, verdicts, strict=True))
        return json_answer({"result": {name: results[name] for name in all_of_it}})


def _result(verdict: Verdict) -> dict[str, Any]:
    if isinstance(verdict, bool):
        return {"allowed": verdict}
    error = said(verdict)
    return {"error": {"input_error": error["code"], "message": error["message"]}}
