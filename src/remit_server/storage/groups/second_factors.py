"""Second factors: one a person, sealed."""

from __future__ import annotations

from remit_server.records import SecondFactor
from remit_server.storage.barrier import Barrier
from remit_server.storage.contract import Engine, Step
from remit_server.storage.groups.rows import Rows
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Delete, Insert, Select, Update


class SecondFactors:
    _GET = Select(t.SECOND_FACTORS, where="second_factors.user_id = :user_id")
    _ADD = Insert(t.SECOND_FACTORS)
    _SPEND = Update(
        t.SECOND_FACTORS,
        set="last_step = :step",
        where="second_factors.user_id = :user_id AND second_factors.last_step < :step",
    )
    _REMOVE = Delete(t.SECOND_FACTORS, where="second_factors.user_id = :user_id AND second_factors.last_step < :step")
    _FORGET = Delete(t.SECOND_FACTORS, where="second_factors.user_id = :user_id")

    def __init__(self, engine: Engine, barrier: Barrier) -> None:
        self._engine = engine
        self._rows = Rows(t.SECOND_FACTORS, SecondFactor, changing=("last_step",), barrier=barrier)

    async def get(self, user_id: str) -> SecondFactor | None:
        return self._rows.maybe(await self._engine.one(self._GET, {"user_id": user_id}))

    def add(self, factor: SecondFactor) -> Step:
        """Loses when the person has one: it must be removed first, which needs a code of it."""
        return Step(self._ADD, self._rows.params(factor))

    def spend(self, user_id: str, step: int) -> Step:
        """Accept the code of a time step; loses when that one or a newer one was accepted before."""
        return Step(self._SPEND, {"user_id": user_id, "step": step})

    def remove(self, user_id: str, step: int) -> Step:
        """Remove by the code of a time step; loses as `spend` does."""
        return Step(self._REMOVE, {"user_id": user_id, "step": step})

    def forget(self, user_id: str) -> Step:
        """Remove without a code, for the operator; loses when there is none."""
        return Step(self._FORGET, {"user_id": user_id})
