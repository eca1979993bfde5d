"""The outbox: who is still to be told of which request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from remit_server.records import Delivery
from remit_server.storage.contract import Engine, Step
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Delete, Insert, Select, Update

FILED: Final = "deliveries:filed"
"""The topic that wakes the tellers."""
_OWN = "deliveries.approval_id = :approval_id AND deliveries.recipient = :recipient AND deliveries.version = :version"


class Deliveries:
    _DUE = Select(t.DELIVERIES, where="due_at <= :now", tail="ORDER BY due_at, approval_id, recipient LIMIT :most")
    _ADD = Insert(t.DELIVERIES)
    _CLAIM = Update(t.DELIVERIES, set="due_at = :until, tries = tries + 1, version = version + 1", where=_OWN)
    _POSTPONE = Update(
        t.DELIVERIES, set="due_at = :due_at, way = :way, tries = :tries, version = version + 1", where=_OWN
    )
    _END = Delete(t.DELIVERIES, where=_OWN)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def due(self, now: int, most: int) -> Sequence[Delivery]:
        """What is to be tried now, the longest due first."""
        rows = await self._engine.many(self._DUE, {"now": now, "most": most})
        return [msgspec.convert(dict(row), Delivery) for row in rows]

    def add(self, delivery: Delivery) -> Step:
        return Step(self._ADD, msgspec.structs.asdict(delivery), wake=FILED)

    def claim(self, delivery: Delivery, until: int) -> Step:
        """Become the one who tries, until then; loses when somebody else did."""
        return Step(self._CLAIM, {**_named(delivery), "until": until})

    def postpone(self, delivery: Delivery, due_at: int, *, way: str, tries: int) -> Step:
        """Try at another time, or another way; loses when somebody else has taken over."""
        return Step(self._POSTPONE, {**_named(delivery), "due_at": due_at, "way": way, "tries": tries})

    def end(self, delivery: Delivery) -> Step:
        """There is nothing left to try; loses when somebody else has taken over."""
        return Step(self._END, _named(delivery))


def _named(delivery: Delivery) -> dict[str, object]:
    return {name: getattr(delivery, name) for name in ("approval_id", "recipient", "version")}
