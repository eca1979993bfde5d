"""Pending decisions. Every change of state is one compare-and-set on `state` and `version`."""

from __future__ import annotations

from collections.abc import Sequence

from remit_server.records import Approval
from remit_server.storage.contract import Engine, Step
from remit_server.storage.groups.rows import Rows
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Insert, Select, Update

CHANGING = (
    "user_id", "state", "version", "interval", "polled_at", "slow_downs", "decided_at", "decided_by", "reason",
    "grant_id", "taken_at",
)  # fmt: skip


class Approvals:
    _GET = Select(t.APPROVALS, where="approvals.id = :id")
    _BY_HANDLE = Select(t.APPROVALS, where="approvals.handle = :handle")
    _BY_USER_CODE = Select(t.APPROVALS, where="approvals.user_code = :user_code")
    _OF_USER = Select(t.APPROVALS, where="user_id = :user_id", tail="ORDER BY created_at DESC, id DESC LIMIT 200")
    _OVERDUE = Select(
        t.APPROVALS,
        where="state IN ('pending', 'info_requested') AND expires_at <= :now",
        tail="ORDER BY expires_at LIMIT 200",
    )
    _ADD = Insert(t.APPROVALS)
    _CLAIM = Update(
        t.APPROVALS,
        set="user_id = :user_id, version = version + 1",
        where="approvals.id = :id AND approvals.state = 'pending' AND approvals.version = :version "
        "AND approvals.user_id IS NULL AND expires_at > :now",
    )
    _DECIDE = Update(
        t.APPROVALS,
        set="state = :state, version = version + 1, decided_at = :now, decided_by = :decided_by, reason = :reason, "
        "grant_id = :grant_id",
        where="approvals.id = :id AND approvals.state IN ('pending', 'info_requested') AND approvals.version = :version "
        "AND approvals.user_id = :decided_by AND expires_at > :now",
    )
    _EXPIRE = Update(
        t.APPROVALS,
        set="state = 'expired', version = version + 1",
        where="approvals.id = :id AND approvals.state IN ('pending', 'info_requested') AND expires_at <= :now",
    )
    _CLOSE_ALL = Update(
        t.APPROVALS,
        set="state = 'denied', version = version + 1, decided_at = :now, reason = :reason",
        where="approvals.client_id = :client_id AND approvals.state IN ('pending', 'info_requested', 'approved')",
    )
    _POLL = Update(
        t.APPROVALS,
        set="polled_at = :now, interval = :interval, slow_downs = :slow_downs",
        where="approvals.id = :id AND approvals.polled_at = :was",
        types={"was": "int"},
    )
    _TAKE = Update(
        t.APPROVALS,
        set="state = 'taken', taken_at = :now, version = version + 1",
        where="approvals.id = :id AND approvals.state = 'approved'",
    )

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rows = Rows(t.APPROVALS, Approval, changing=CHANGING)

    async def get(self, approval_id: str) -> Approval | None:
        return self._rows.maybe(await self._engine.one(self._GET, {"id": approval_id}))

    async def by_handle(self, hash_: str) -> Approval | None:
        return self._rows.maybe(await self._engine.one(self._BY_HANDLE, {"handle": hash_}))

    async def by_user_code(self, hash_: str) -> Approval | None:
        return self._rows.maybe(await self._engine.one(self._BY_USER_CODE, {"user_code": hash_}))

    async def of_user(self, user_id: str) -> Sequence[Approval]:
        """The newest 200, newest first."""
        return [self._rows.record(row) for row in await self._engine.many(self._OF_USER, {"user_id": user_id})]

    async def overdue(self, now: int) -> Sequence[Approval]:
        """Those that nobody answered in time and nobody has closed yet, at most 200."""
        return [self._rows.record(row) for row in await self._engine.many(self._OVERDUE, {"now": now})]

    def add(self, approval: Approval) -> Step:
        return Step(self._ADD, self._rows.params(approval))

    def claim(self, approval: Approval, user_id: str, now: int) -> Step:
        """Device flow: the person who entered the code is the one who is asked. Loses when somebody else was first."""
        return Step(self._CLAIM, {"id": approval.id, "version": approval.version, "user_id": user_id, "now": now})

    def decide(
        self,
        approval: Approval,
        state: str,
        by: str,
        now: int,
        *,
        reason: str | None = None,
        grant_id: str | None = None,
    ) -> Step:
        """Answer, once, in time, by the person who is asked and on the version that they saw; loses otherwise."""
        params = {
            "id": approval.id, "version": approval.version, "state": state, "decided_by": by, "now": now,
            "reason": reason, "grant_id": grant_id,
        }  # fmt: skip
        return Step(self._DECIDE, params)

    def expire(self, approval_id: str, now: int) -> Step:
        """Close what nobody answered; loses when an answer was in time."""
        return Step(self._EXPIRE, {"id": approval_id, "now": now})

    def close_all(self, client_id: str, now: int, reason: str) -> Step:
        """Deny all that a client has asked and not yet taken, whether or not somebody answered."""
        return Step(self._CLOSE_ALL, {"client_id": client_id, "now": now, "reason": reason}, may_miss=True)

    def poll(self, approval: Approval, now: int, *, interval: int, slow_downs: int) -> Step:
        """Remember a poll; loses when another poll came between."""
        params = {
            "id": approval.id, "was": approval.polled_at, "now": now, "interval": interval, "slow_downs": slow_downs
        }  # fmt: skip
        return Step(self._POLL, params)

    def take(self, approval_id: str, now: int) -> Step:
        """Hand the approved authority out, once; loses otherwise."""
        return Step(self._TAKE, {"id": approval_id, "now": now})
