"""Calls through the vault that have begun and of which nobody has written down the end."""

from __future__ import annotations

from collections.abc import Sequence

from remit_server.records import ProxiedCall
from remit_server.storage.contract import Engine, Step
from remit_server.storage.groups.rows import Rows
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Delete, Insert, Select


class ProxiedCalls:
    _BEGIN = Insert(t.PROXIED_CALLS)
    _END = Delete(t.PROXIED_CALLS, where="proxied_calls.id = :id")
    _BEFORE = Select(t.PROXIED_CALLS, where="started_at <= :before", tail="ORDER BY started_at LIMIT 200")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rows = Rows(t.PROXIED_CALLS, ProxiedCall)

    def begin(self, call: ProxiedCall) -> Step:
        return Step(self._BEGIN, self._rows.params(call))

    def end(self, call_id: str) -> Step:
        """Loses when somebody else has written down its end."""
        return Step(self._END, {"id": call_id})

    async def begun_before(self, before: int) -> Sequence[ProxiedCall]:
        """Oldest first, 200 at most."""
        return [self._rows.record(row) for row in await self._engine.many(self._BEFORE, {"before": before})]
