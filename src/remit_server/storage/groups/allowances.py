"""Standing allowances. Spending is one statement that holds every bound, so that no two uses share the last of one."""

from __future__ import annotations

from collections.abc import Sequence

from remit_server.records import Allowance
from remit_server.storage.barrier import Barrier
from remit_server.storage.contract import Engine, Step
from remit_server.storage.groups.rows import Rows
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Delete, Insert, Select, Update


class Allowances:
    _GET = Select(t.ALLOWANCES, where="allowances.id = :id AND allowances.user_id = :user_id")
    _OF_USER = Select(t.ALLOWANCES, where="user_id = :user_id", tail="ORDER BY expires_at DESC, id DESC LIMIT 200")
    _FOR = Select(
        t.ALLOWANCES,
        where="user_id = :user_id AND client_id = :client_id AND type = :type AND revoked_at IS NULL AND expires_at > :now",
        tail="ORDER BY expires_at, id LIMIT 50",
    )
    _ADD = Insert(t.ALLOWANCES)
    _SPEND = Update(
        t.ALLOWANCES,
        set="spent = spent + :amount, uses = uses + :acts, used_at = :now",
        where="allowances.id = :id AND revoked_at IS NULL AND expires_at > :now AND uses + :acts <= times "
        "AND spent + :amount <= total",
    )
    _REVOKE = Update(
        t.ALLOWANCES,
        set="revoked_at = :now",
        where="allowances.id = :id AND allowances.user_id = :user_id AND revoked_at IS NULL",
    )
    _REVOKE_ALL = Update(
        t.ALLOWANCES,
        set="revoked_at = :now",
        where="allowances.user_id = :user_id AND allowances.client_id = :client_id AND revoked_at IS NULL",
    )
    _FORGET_USER = Delete(t.ALLOWANCES, where="allowances.user_id = :user_id")
    _FORGET_CLIENT = Delete(t.ALLOWANCES, where="allowances.client_id = :client_id")

    def __init__(self, engine: Engine, barrier: Barrier) -> None:
        self._engine = engine
        self._rows = Rows(
            t.ALLOWANCES, Allowance, changing=("revoked_at", "spent", "uses", "used_at"), barrier=barrier
        )  # fmt: skip

    async def get(self, allowance_id: str, user_id: str) -> Allowance | None:
        """A person's own; somebody else's is not there."""
        return self._rows.maybe(await self._engine.one(self._GET, {"id": allowance_id, "user_id": user_id}))

    async def of_user(self, user_id: str) -> Sequence[Allowance]:
        """The 200 that end last, those that are over included."""
        return [self._rows.record(row) for row in await self._engine.many(self._OF_USER, {"user_id": user_id})]

    async def holding(self, user_id: str, client_id: str, type_: str, now: int) -> Sequence[Allowance]:
        """Those that hold for an agent and a kind, at most 50, what ends first first."""
        params = {"user_id": user_id, "client_id": client_id, "type": type_, "now": now}
        return [self._rows.record(row) for row in await self._engine.many(self._FOR, params)]

    def add(self, allowance: Allowance) -> Step:
        return Step(self._ADD, self._rows.params(allowance))

    def spend(self, allowance_id: str, amount: int, now: int, *, acts: int = 1) -> Step:
        """So many acts more, of this many minor units together; loses when that is more than is left, or when it is over."""
        if amount < 0 or acts < 1:
            raise ValueError("a use never gives back")
        return Step(self._SPEND, {"id": allowance_id, "amount": amount, "acts": acts, "now": now})

    def revoke(self, allowance_id: str, user_id: str, now: int) -> Step:
        """Take it back; loses when it is not there, or was taken back before."""
        return Step(self._REVOKE, {"id": allowance_id, "user_id": user_id, "now": now})

    def revoke_all(self, user_id: str, client_id: str, now: int) -> Step:
        """The person stops the agent."""
        return Step(self._REVOKE_ALL, {"user_id": user_id, "client_id": client_id, "now": now}, may_miss=True)

    def forget_user(self, user_id: str) -> Step:
        """The person goes."""
        return Step(self._FORGET_USER, {"user_id": user_id}, may_miss=True)

    def forget_client(self, client_id: str) -> Step:
        """The agent goes: should its id come back, nothing is allowed ahead."""
        return Step(self._FORGET_CLIENT, {"client_id": client_id}, may_miss=True)
