"""POST /access/v1/evaluations: many questions, as many decisions in the same order (AuthZEN 1.0 section 7)."""

from __future__ import annotations

from typing import Any, Final

from remit_server.access.askers import Asker, asker
from remit_server.access.evaluate import decide, echoing, evaluation, refused
from remit_server.access.stores import Stores
from remit_server.errors import InvalidRequest, ProtocolError, ServerError
from remit_server.runtime.machines import Machines
from remit_server.wire.form import parse_json
from remit_server.wire.http import Answer, Request, json_answer

MOST: Final = 100
_STOPS: Final = {"execute_all": None, "deny_on_first_deny": False, "permit_on_first_permit": True}
"""The decision after which the rest is left out."""


class Evaluations:
    def __init__(self, machines: Machines, stores: Stores) -> None:
        self._machines, self._stores = machines, stores

    async def __call__(self, request: Request) -> Answer:
        try:
            who = await asker(request, self._machines)
            body = parse_json(await request.body())
            if not body.get("evaluations"):  # section 7.1: then it is a single one
                return echoing(request, json_answer(await self._one(who, body, {})))
            return echoing(request, json_answer({"evaluations": await self._all(who, body)}))
        except ProtocolError as error:
            raise refused(request, error) from error

    async def _all(self, who: Asker, body: dict[str, Any]) -> list[dict[str, Any]]:
        asked, options = body["evaluations"], body.get("options") or {}
        semantic = options.get("evaluations_semantic", "execute_all") if isinstance(options, dict) else None
        if not isinstance(semantic, str) or semantic not in _STOPS:
            raise InvalidRequest(f"evaluations_semantic is one of {', '.join(_STOPS)}.")
        if not isinstance(asked, list) or len(asked) > MOST:
            raise InvalidRequest(f"evaluations is a list of at most {MOST}.")
        decisions: list[dict[str, Any]] = []
        for each in asked:
            decisions.append(await self._one_of_many(who, each, body))
            if decisions[-1]["decision"] is _STOPS[semantic]:
                break
        return decisions

    async def _one(self, who: Asker, value: Any, defaults: dict[str, Any]) -> dict[str, Any]:
        return await decide(self._machines, self._stores, who, evaluation(value, defaults))

    async def _one_of_many(self, who: Asker, value: Any, defaults: dict[str, Any]) -> dict[str, Any]:
        """What is wrong with one question denies that one only (section 7.2.1)."""
        try:
            return await self._one(who, value, defaults)
        except ProtocolError as error:
            if error.status >= ServerError.status:
                raise
            return {"decision": False, "context": {"error": {"status": error.status, "message": error.text}}}
