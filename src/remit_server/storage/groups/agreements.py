"""Grants, codes, tokens, pushed requests, and identifiers that may be seen once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from remit_server.records import Code, Grant, PushedRequest, Token, User
from remit_server.storage.contract import Engine, Step
from remit_server.storage.groups.people import USERS
from remit_server.storage.groups.rows import Rows
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Delete, Insert, Select, Update

GRANTS = Rows(t.GRANTS, Grant, changing=("revoked_at", "revoked_why"))
TOKENS = Rows(t.TOKENS, Token, changing=("used_at", "retried_at", "successor", "revoked_at"))


class Held(NamedTuple):
    """A token as stored, when the agreement that it hangs on was revoked, if it was, and the person it is for."""

    token: Token
    grant_revoked_at: int | None
    user: User | None


class Renewable(NamedTuple):
    """A refresh token as stored, its agreement, and the person who agreed."""

    token: Token
    grant: Grant | None
    user: User | None


class Redeemable(NamedTuple):
    """A code as stored, its agreement, and the person who agreed."""

    code: Code
    grant: Grant | None
    user: User | None


class Grants:
    _GET = Select(t.GRANTS, where="grants.id = :id")
    _LIVE = Select(
        t.GRANTS,
        where="user_id = :user_id AND client_id = :client_id AND revoked_at IS NULL",
        tail="ORDER BY created_at DESC LIMIT 50",
    )
    _OF_USER = Select(
        t.GRANTS, where="user_id = :user_id AND revoked_at IS NULL", tail="ORDER BY created_at DESC LIMIT 500"
    )
    _WITHOUT_TOKENS = Select(
        t.GRANTS,
        # NOT IN would read all tokens, on PostgreSQL once for each agreement when they do not fit into its memory.
        where="created_at <= :until AND NOT EXISTS (SELECT 1 FROM tokens WHERE tokens.grant_id = grants.id)",
        columns="grants.id",
        tail="ORDER BY created_at LIMIT 200",
    )
    _ADD = Insert(t.GRANTS)
    _REMOVE = Delete(t.GRANTS, where="grants.id = :id")
    _REVOKE = Update(
        t.GRANTS, set="revoked_at = :now, revoked_why = :why", where="grants.id = :id AND revoked_at IS NULL",
        types={"why": "text"},
    )  # fmt: skip
    _REVOKE_ALL = Update(
        t.GRANTS, set="revoked_at = :now, revoked_why = :why",
        where="grants.user_id = :user_id AND grants.client_id = :client_id AND revoked_at IS NULL", types={"why": "text"},
    )  # fmt: skip
    _REVOKE_SESSION = Update(
        t.GRANTS, set="revoked_at = :now, revoked_why = :why", where="sid = :sid AND revoked_at IS NULL",
        types={"why": "text"},
    )  # fmt: skip

    def __init__(self, engine: Engine) -> None:
        self._engine, self._rows = engine, GRANTS

    async def get(self, grant_id: str) -> Grant | None:
        return self._rows.maybe(await self._engine.one(self._GET, {"id": grant_id}))

    async def live(self, user_id: str, client_id: str) -> Sequence[Grant]:
        """A person's unrevoked agreements with a client, newest first, at most 50."""
        rows = await self._engine.many(self._LIVE, {"user_id": user_id, "client_id": client_id})
        return [self._rows.record(row) for row in rows]

    async def of_user(self, user_id: str) -> Sequence[Grant]:
        return [self._rows.record(row) for row in await self._engine.many(self._OF_USER, {"user_id": user_id})]

    async def without_tokens(self, until: int) -> Sequence[str]:
        """Ids of agreements made at `until` or before under which no token is left, at most 200."""
        return [row["id"] for row in await self._engine.many(self._WITHOUT_TOKENS, {"until": until})]

    def remove(self, grant_id: str) -> Step:
        return Step(self._REMOVE, {"id": grant_id}, may_miss=True)

    def add(self, grant: Grant) -> Step:
        return Step(self._ADD, self._rows.params(grant))

    def revoke(self, grant_id: str, now: int, why: str) -> Step:
        """Loses when it was revoked before."""
        return Step(self._REVOKE, {"id": grant_id, "now": now, "why": why}, wake=f"{t.GRANTS.name}:{grant_id}")

    def revoke_all(self, user_id: str, client_id: str, now: int, why: str) -> Step:
        """Revoke all that a person has agreed to with a client."""
        params = {"user_id": user_id, "client_id": client_id, "now": now, "why": why}
        return Step(self._REVOKE_ALL, params, may_miss=True, wake=f"{t.USERS.name}:{user_id}")

    def revoke_session(self, sid: str, now: int, why: str) -> Step:
        """Revoke all that was agreed to in one browser session."""
        params = {"sid": sid, "now": now, "why": why}
        return Step(self._REVOKE_SESSION, params, may_miss=True, wake=f"{t.SESSIONS.name}:{sid}")


class Codes:
    _GET = Select(
        t.CODES,
        where="codes.hash = :hash",
        columns=f"codes.*, {GRANTS.beside}, {USERS.beside}",
        join="LEFT JOIN grants ON grants.id = codes.grant_id LEFT JOIN users ON users.id = grants.user_id",
    )
    _ADD = Insert(t.CODES)
    _TAKE = Update(
        t.CODES, set="used_at = :now", where="codes.hash = :hash AND used_at IS NULL AND expires_at > :now"
    )  # fmt: skip

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rows = Rows(t.CODES, Code, changing=("used_at",))

    async def get(self, hash_: str) -> Redeemable | None:
        row = await self._engine.one(self._GET, {"hash": hash_})
        return None if row is None else Redeemable(self._rows.record(row), GRANTS.joined(row), USERS.joined(row))

    def add(self, code: Code) -> Step:
        return Step(self._ADD, self._rows.params(code))

    def take(self, hash_: str, now: int) -> Step:
        """Redeem, once and in time; loses otherwise."""
        return Step(self._TAKE, {"hash": hash_, "now": now})


class Tokens:
    _HELD = Select(
        t.TOKENS,
        where="tokens.hash = :hash",
        columns=f"tokens.*, grants.revoked_at AS grant_revoked_at, {USERS.beside}",
        join="LEFT JOIN grants ON grants.id = tokens.grant_id LEFT JOIN users ON users.id = tokens.user_id",
    )
    _RENEWABLE = replace(_HELD, columns=f"tokens.*, {GRANTS.beside}, {USERS.beside}")
    _ADD = Insert(t.TOKENS)
    _ROTATE = Update(
        t.TOKENS,
        set="used_at = :now, successor = :successor",
        where="tokens.hash = :hash AND used_at IS NULL AND revoked_at IS NULL AND expires_at > :now",
    )
    _ANSWER_AGAIN = Update(
        t.TOKENS,
        set="retried_at = :now, successor = :successor",
        where="tokens.hash = :hash AND retried_at IS NULL AND revoked_at IS NULL AND used_at >= :used_after",
    )
    _REVOKE = Update(t.TOKENS, set="revoked_at = :now", where="tokens.hash = :hash AND revoked_at IS NULL")
    _REVOKE_UNUSED = Update(
        t.TOKENS, set="revoked_at = :now", where="tokens.hash = :hash AND revoked_at IS NULL AND used_at IS NULL"
    )

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rows = TOKENS

    async def held(self, hash_: str) -> Held | None:
        """One read tells all that decides about a token, its family included."""
        row = await self._engine.one(self._HELD, {"hash": hash_})
        return None if row is None else Held(self._rows.record(row), row["grant_revoked_at"], USERS.joined(row))

    async def renewable(self, hash_: str) -> Renewable | None:
        """All that a refresh needs."""
        row = await self._engine.one(self._RENEWABLE, {"hash": hash_})
        return None if row is None else Renewable(self._rows.record(row), GRANTS.joined(row), USERS.joined(row))

    def add(self, token: Token) -> Step:
        return Step(self._ADD, self._rows.params(token))

    def rotate(self, hash_: str, successor: str, now: int) -> Step:
        """Spend a refresh token, once and in time; loses otherwise."""
        return Step(self._ROTATE, {"hash": hash_, "successor": successor, "now": now})

    def answer_again(self, hash_: str, successor: str, now: int, used_after: int) -> Step:
        """Replace the successor of a refresh token whose reply was lost; loses the second time, or when it is too late."""
        return Step(self._ANSWER_AGAIN, {"hash": hash_, "successor": successor, "now": now, "used_after": used_after})

    def revoke(self, hash_: str, now: int) -> Step:
        return Step(self._REVOKE, {"hash": hash_, "now": now}, may_miss=True, wake=f"{t.TOKENS.name}:{hash_}")

    def revoke_unused(self, hash_: str, now: int) -> Step:
        """Revoke a refresh token that nobody has used; loses when somebody has."""
        return Step(self._REVOKE_UNUSED, {"hash": hash_, "now": now})


class PushedRequests:
    _GET = Select(t.PUSHED_REQUESTS, where="pushed_requests.hash = :hash")
    _ADD = Insert(t.PUSHED_REQUESTS)
    _TAKE = Update(
        t.PUSHED_REQUESTS,
        set="used_at = :now",
        where="pushed_requests.hash = :hash AND used_at IS NULL AND expires_at > :begun_at",
        types={"begun_at": "int"},
    )

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rows = Rows(t.PUSHED_REQUESTS, PushedRequest, changing=("used_at",))

    async def get(self, hash_: str) -> PushedRequest | None:
        return self._rows.maybe(await self._engine.one(self._GET, {"hash": hash_}))

    def add(self, request: PushedRequest) -> Step:
        return Step(self._ADD, self._rows.params(request))

    def take(self, hash_: str, now: int, *, begun_at: int | None = None) -> Step:
        """Use, once and in time; loses otherwise. What expires is the time to begin: an authorization that began in time
        (`begun_at`) may take longer."""
        return Step(self._TAKE, {"hash": hash_, "now": now, "begun_at": now if begun_at is None else begun_at})


class Once:
    """Identifiers that may be seen once, such as the `jti` of a client assertion, and counters of failed attempts."""

    _BURN = Insert(t.BURNED)
    _COUNT = Select(t.ATTEMPTS, where="attempts.key = :key AND expires_at > :now")
    _START = Insert(t.ATTEMPTS)
    _MORE = Update(
        t.ATTEMPTS,
        set="count = CASE WHEN expires_at > :now THEN count + 1 ELSE 1 END, "
        "expires_at = CASE WHEN expires_at > :now THEN expires_at ELSE :until END",
        where="attempts.key = :key",
        returning=("count", "expires_at"),
    )

    _SPEND = Update(
        t.ATTEMPTS, set=_MORE.set, where=f"{_MORE.where} AND (attempts.expires_at <= :now OR attempts.count < :most)"
    )
    _REFUND = Update(t.ATTEMPTS, set="count = count - 1", where="attempts.key = :key AND attempts.count > 0")
    _FORGET = Delete(t.ATTEMPTS, where="attempts.key = :key")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def burn(self, hash_: str, expires_at: int) -> Step:
        """Remember an identifier until it would no longer be accepted anyway; loses when it was seen before."""
        return Step(self._BURN, {"hash": hash_, "expires_at": expires_at})

    async def attempts(self, key: str, now: int) -> int:
        row = await self._engine.one(self._COUNT, {"key": key, "now": now})
        return 0 if row is None else int(row["count"])

    def attempt(self, key: str, now: int, window: int) -> tuple[Step, Step]:
        """Count one more attempt in a window of seconds that began with the first."""
        start = Step(self._START, {"key": key, "count": 0, "expires_at": now + window}, may_miss=True)
        return start, Step(self._MORE, {"key": key, "now": now, "until": now + window})

    def spend(self, key: str, now: int, window: int, most: int) -> tuple[Step, Step]:
        """`attempt`, but the second step loses when there were `most` in the window."""
        start, _ = self.attempt(key, now, window)
        return start, Step(self._SPEND, {"key": key, "now": now, "until": now + window, "most": most})

    def refund(self, key: str) -> Step:
        """Take one attempt back."""
        return Step(self._REFUND, {"key": key}, may_miss=True)

    def forget(self, key: str) -> Step:
        """Begin to count anew: the attempt succeeded."""
        return Step(self._FORGET, {"key": key}, may_miss=True)
