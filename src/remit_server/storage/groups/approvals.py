"""Pending decisions. Every change of state is one compare-and-set on `state` and `version`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from remit_server.records import Approval
from remit_server.storage.barrier import Barrier
from remit_server.storage.contract import Engine, Params, Row, Step
from remit_server.storage.groups.rows import Rows
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Delete, Insert, Select, Update

CHANGING = (
    "user_id", "state", "version", "interval", "polled_at", "slow_downs", "decided_at", "decided_by", "reason",
    "grant_id", "taken_at", "use_until", "spent", "spent_at", "spent_by", "same", "notify_at", "notify_tries",
)  # fmt: skip
# Whose it is, in words that the index of a person's requests does not answer: the one that is meant is found by its id. While
# PostgreSQL has not counted its rows yet, both indexes cost the same.
_WHOSE = "approvals.user_id || ''"
_TELLING = "notify_tries = 0, notify_at = CASE WHEN approvals.mode = 'poll' THEN NULL ELSE :now END"
"""Each news has its own tries, whatever became of the one before."""
_CLOSED = f"same = NULL, {_TELLING}"


class Approvals:
    _GET = Select(t.APPROVALS, where="approvals.id = :id")
    _BY_HANDLE = Select(t.APPROVALS, where="approvals.handle = :handle")
    _BY_GRANT = Select(t.APPROVALS, where="approvals.grant_id = :grant_id")
    _BY_USER_CODE = Select(t.APPROVALS, where="approvals.user_code = :user_code")
    _OF_USER = Select(t.APPROVALS, where="user_id = :user_id", tail="ORDER BY created_at DESC, id DESC LIMIT 200")
    _BEFORE = Select(
        t.APPROVALS,
        where="user_id = :user_id AND created_at <= :at AND (created_at < :at OR approvals.id < :id)",
        tail="ORDER BY created_at DESC, id DESC LIMIT :most",
    )
    _OVERDUE = Select(
        t.APPROVALS,
        # As its index has it, and no other statement: PostgreSQL plans once, on an empty table, where every index costs the
        # same, and would otherwise look for one request among all that are open.
        where="lower(state) IN ('pending', 'info_requested') AND expires_at <= :now",
        tail="ORDER BY expires_at LIMIT 200",
    )
    _BY_SAME = Select(t.APPROVALS, where="approvals.same = :same")
    _LAST_ASKED = Select(
        t.APPROVALS,
        where="client_id = :client_id AND user_id = :user_id AND allowance_id IS NULL",
        columns="state, expires_at, decided_at",
        tail="ORDER BY created_at DESC, id DESC LIMIT :most",
    )
    _APPROVED = Select(
        t.APPROVALS,
        where="client_id = :client_id AND user_id = :user_id AND approvals.state IN ('approved', 'taken')",
        tail="ORDER BY created_at DESC, id DESC LIMIT :most",
    )
    _ADD = Insert(t.APPROVALS)
    _CLAIM = Update(
        t.APPROVALS,
        set="user_id = :user_id, body = :body, version = version + 1",  # whose it is, is sealed with it
        where="approvals.id = :id AND approvals.state = 'pending' AND approvals.version = :version "
        f"AND {_WHOSE} IS NULL AND expires_at > :now",
    )
    _DECIDE = Update(
        t.APPROVALS,
        set="state = :state, version = version + 1, decided_at = :now, decided_by = :decided_by, reason = :reason, "
        "grant_id = :grant_id, body = :body, " + _CLOSED,
        where="approvals.id = :id AND approvals.state IN ('pending', 'info_requested') AND approvals.version = :version "
        f"AND {_WHOSE} = :decided_by AND expires_at > :now",
    )
    _QUESTION = Update(
        t.APPROVALS,
        set=f"state = 'info_requested', version = version + 1, body = :body, {_TELLING}",
        where="approvals.id = :id AND approvals.state = 'pending' AND approvals.version = :version "
        f"AND {_WHOSE} = :user_id AND expires_at > :now",
    )
    _REPLY = Update(
        t.APPROVALS,
        set="state = 'pending', version = version + 1, body = :body, notify_at = NULL, notify_tries = 0",
        where="approvals.id = :id AND approvals.state = 'info_requested' AND approvals.version = :version "
        "AND expires_at > :now",
    )
    _EXPIRE = Update(
        t.APPROVALS,
        set=f"state = 'expired', version = version + 1, {_CLOSED}",
        where="approvals.id = :id AND approvals.state IN ('pending', 'info_requested') AND expires_at <= :now",
    )
    _CLOSE_ALL = Update(
        t.APPROVALS,
        set="state = 'denied', version = version + 1, decided_at = :now, reason = :reason, same = NULL, notify_at = NULL",
        where="approvals.client_id = :client_id AND approvals.state IN ('pending', 'info_requested', 'approved')",
    )
    _CLOSE_OF = Update(
        t.APPROVALS,
        set="state = 'denied', version = version + 1, decided_at = :now, decided_by = :user_id, reason = :reason, "
        + _CLOSED,
        where="approvals.client_id = :client_id AND approvals.user_id = :user_id "
        "AND approvals.state IN ('pending', 'info_requested', 'approved')",
    )
    _POLL = Update(
        t.APPROVALS,
        set="polled_at = :now, interval = :interval, slow_downs = :slow_downs",
        where="approvals.id = :id AND approvals.polled_at = :was",
        types={"was": "int"},
    )
    _TAKE = Update(
        t.APPROVALS,
        set="state = 'taken', taken_at = :now, use_until = :use_until, version = version + 1",
        where="approvals.id = :id AND approvals.state = 'approved'",
    )
    _SPEND = Update(
        t.APPROVALS,
        set="spent = spent | :bit, spent_at = :now, spent_by = :spent_by",
        # A stop of the agent and a use of its approval meet here: the agreement stands in the moment of the use, or it is none.
        where="approvals.id = :id AND approvals.state = 'taken' AND (approvals.spent & :bit) = 0 AND NOT EXISTS "
        "(SELECT 1 FROM grants WHERE grants.id = approvals.grant_id AND grants.revoked_at IS NOT NULL)",
    )

    _TO_TELL = Select(t.APPROVALS, where="notify_at <= :now", columns="id", tail="ORDER BY notify_at LIMIT :most")
    _TELL = Update(
        t.APPROVALS,
        set="notify_at = :until, notify_tries = notify_tries + 1",
        where="approvals.id = :id AND approvals.notify_at <= :now",
    )
    _PACK = Update(
        t.APPROVALS,
        set="state = 'taken', taken_at = :now, use_until = :use_until, version = version + 1, body = :body",
        where="approvals.id = :id AND approvals.state = 'approved'",
    )
    _TOLD = Update(
        t.APPROVALS,
        set="notify_at = :notify_at",
        # As it was claimed: what the person said in between is told as well. In words that no index answers, as with `_WHOSE`.
        where="approvals.id = :id AND approvals.notify_tries = :notify_tries AND approvals.notify_at + 0 = :claimed",
        types={"claimed": "int"},
    )
    _UNPACK = Update(
        t.APPROVALS, set="notify_at = :notify_at, body = :body", where=_TOLD.where, types={"claimed": "int"}
    )

    def __init__(self, engine: Engine, barrier: Barrier) -> None:
        self._engine = engine
        self._rows = Rows(t.APPROVALS, Approval, changing=CHANGING, barrier=barrier)

    async def get(self, approval_id: str) -> Approval | None:
        return self._rows.maybe(await self._engine.one(self._GET, {"id": approval_id}))

    async def by_handle(self, hash_: str) -> Approval | None:
        return self._rows.maybe(await self._engine.one(self._BY_HANDLE, {"handle": hash_}))

    async def by_grant(self, grant_id: str) -> Approval | None:
        """The request that led to this agreement."""
        return self._rows.maybe(await self._engine.one(self._BY_GRANT, {"grant_id": grant_id}))

    async def by_user_code(self, hash_: str) -> Approval | None:
        return self._rows.maybe(await self._engine.one(self._BY_USER_CODE, {"user_code": hash_}))

    async def of_user(self, user_id: str) -> Sequence[Approval]:
        """The newest 200, newest first."""
        return [self._rows.record(row) for row in await self._engine.many(self._OF_USER, {"user_id": user_id})]

    async def before(self, user_id: str, at: int, id_: str, most: int) -> Sequence[Approval]:
        """Those asked before the one with this id, which was asked at this time; newest first."""
        params = {"user_id": user_id, "at": at, "id": id_, "most": most}
        return [self._rows.record(row) for row in await self._engine.many(self._BEFORE, params)]

    async def overdue(self, now: int) -> Sequence[Approval]:
        """Those that nobody answered in time and nobody has closed yet, at most 200."""
        return [self._rows.record(row) for row in await self._engine.many(self._OVERDUE, {"now": now})]

    async def same(self, same: str) -> Approval | None:
        """The open request that is like this."""
        return self._rows.maybe(await self._engine.one(self._BY_SAME, {"same": same}))

    async def last_asked(self, client_id: str, user_id: str, most: int) -> Sequence[Row]:
        """`state`, `expires_at` and `decided_at` of what a client asked a person, the newest first; without what an allowance
        has answered."""
        params = {"client_id": client_id, "user_id": user_id, "most": most}
        return await self._engine.many(self._LAST_ASKED, params)

    async def approved(self, client_id: str, user_id: str, most: int) -> Sequence[Approval]:
        """The last that a person approved for a client, newest first."""
        params = {"client_id": client_id, "user_id": user_id, "most": most}
        return [self._rows.record(row) for row in await self._engine.many(self._APPROVED, params)]

    async def to_tell(self, now: int, most: int) -> Sequence[str]:
        """Ids of those whose client is to be told of the answer now."""
        return [row["id"] for row in await self._engine.many(self._TO_TELL, {"now": now, "most": most})]

    def tell(self, approval_id: str, now: int, seconds: int) -> Step:
        """Become the one who tells the client, for so long; loses when somebody else is, or it has been told."""
        return Step(self._TELL, {"id": approval_id, "now": now, "until": now + seconds})

    def pack(self, approval: Approval, now: int) -> Step:
        """Take what was approved into the `parcel` that is to be pushed; loses when it was taken."""
        params = {"id": approval.id, "now": now, "use_until": approval.use_until, "body": self._body(approval)}
        return Step(self._PACK, params)

    def told(self, approval: Approval, next_try: int | None) -> Step:
        """End an attempt to tell the client; without a next one, what was to be pushed is forgotten. Loses when somebody
        else has taken over, or there is something new to tell."""
        params: Params = {
            "id": approval.id, "notify_tries": approval.notify_tries, "claimed": approval.notify_at, "notify_at": next_try
        }  # fmt: skip
        if next_try is not None or approval.parcel is None:
            return Step(self._TOLD, params)
        return Step(self._UNPACK, {**params, "body": self._body(msgspec.structs.replace(approval, parcel=None))})

    def _body(self, approval: Approval) -> bytes:
        body = self._rows.params(approval)["body"]
        assert isinstance(body, bytes)
        return body

    def add(self, approval: Approval) -> Step:
        """Loses when one with the same `same` is open."""
        return Step(self._ADD, self._rows.params(approval))

    def claim(self, approval: Approval, user_id: str, now: int) -> Step:
        """Device flow: the person who entered the code is the one who is asked. Loses when somebody else was first."""
        body = self._body(msgspec.structs.replace(approval, user_id=user_id))
        params = {"id": approval.id, "version": approval.version, "user_id": user_id, "now": now, "body": body}
        return Step(self._CLAIM, params)

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
        """Answer, once, in time, by the person who is asked and on the version that they saw; loses otherwise. What else the
        answer says, such as `approved`, is in the record that is passed."""
        params = {
            "id": approval.id, "version": approval.version, "state": state, "decided_by": by, "now": now,
            "reason": reason, "grant_id": grant_id, "body": self._body(approval),
        }  # fmt: skip
        return Step(self._DECIDE, params)

    def question(self, approval: Approval, user_id: str, now: int) -> Step:
        """The person asks back, as the record's `thread` has it by now; loses unless it was pending and as they saw it."""
        params = {
            "id": approval.id, "version": approval.version, "user_id": user_id, "now": now, "body": self._body(approval)
        }  # fmt: skip
        return Step(self._QUESTION, params)

    def reply(self, approval: Approval, now: int) -> Step:
        """The agent has replied, as the record's `thread` has it by now; loses unless a question was open."""
        params = {"id": approval.id, "version": approval.version, "now": now, "body": self._body(approval)}
        return Step(self._REPLY, params)

    def expire(self, approval_id: str, now: int) -> Step:
        """Close what nobody answered; loses when an answer was in time."""
        return Step(self._EXPIRE, {"id": approval_id, "now": now})

    def close_all(self, client_id: str, now: int, reason: str) -> Step:
        """Deny all that a client has asked and not yet taken, whether or not somebody answered."""
        return Step(self._CLOSE_ALL, {"client_id": client_id, "now": now, "reason": reason}, may_miss=True)

    def close_of(self, client_id: str, user_id: str, now: int, reason: str) -> Step:
        """Deny all that a client has asked one person and not yet taken, in the person's name."""
        params = {"client_id": client_id, "user_id": user_id, "now": now, "reason": reason}
        return Step(self._CLOSE_OF, params, may_miss=True)

    def poll(self, approval: Approval, now: int, *, interval: int, slow_downs: int) -> Step:
        """Remember a poll; loses when another poll came between."""
        params = {
            "id": approval.id, "was": approval.polled_at, "now": now, "interval": interval, "slow_downs": slow_downs
        }  # fmt: skip
        return Step(self._POLL, params)

    def take(self, approval_id: str, now: int, *, use_until: int | None = None) -> Step:
        """Hand the approved authority out, once, good until then; loses otherwise."""
        return Step(self._TAKE, {"id": approval_id, "now": now, "use_until": use_until})

    def spend(self, approval_id: str, place: int, by: str, now: int) -> Step:
        """One of the approved acts is being carried out, once; loses when it was before, or nothing was handed out."""
        return Step(self._SPEND, {"id": approval_id, "bit": 1 << place, "spent_by": by, "now": now})


class BlockedAskers:
    """Who may not ask whom any more: a person's own word about a client."""

    _GET = Select(t.BLOCKED_ASKERS, where="blocked_askers.user_id = :user_id AND blocked_askers.client_id = :client_id")
    _OF_USER = Select(t.BLOCKED_ASKERS, where="user_id = :user_id", tail="ORDER BY created_at DESC")
    _ADD = Insert(t.BLOCKED_ASKERS)
    _REMOVE = Delete(
        t.BLOCKED_ASKERS, where="blocked_askers.user_id = :user_id AND blocked_askers.client_id = :client_id"
    )

    _FORGET_USER = Delete(t.BLOCKED_ASKERS, where="blocked_askers.user_id = :user_id")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def has(self, user_id: str, client_id: str) -> bool:
        return await self._engine.one(self._GET, {"user_id": user_id, "client_id": client_id}) is not None

    async def of_user(self, user_id: str) -> dict[str, int]:
        """The clients that a person has blocked, and when, the newest first."""
        rows = await self._engine.many(self._OF_USER, {"user_id": user_id})
        return {row["client_id"]: row["created_at"] for row in rows}

    def add(self, user_id: str, client_id: str, now: int) -> Step:
        """Blocked twice is blocked once."""
        return Step(self._ADD, {"user_id": user_id, "client_id": client_id, "created_at": now}, may_miss=True)

    def remove(self, user_id: str, client_id: str) -> Step:
        """Loses when it is not blocked."""
        return Step(self._REMOVE, {"user_id": user_id, "client_id": client_id})

    def forget_user(self, user_id: str) -> Step:
        """With a person goes what they wished."""
        return Step(self._FORGET_USER, {"user_id": user_id}, may_miss=True)
