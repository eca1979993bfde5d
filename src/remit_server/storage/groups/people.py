"""Users, browser sessions, errands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from remit_server.records import Interaction, Session, User
from remit_server.storage.barrier import Barrier
from remit_server.storage.contract import Engine, Step
from remit_server.storage.groups.rows import Rows
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Delete, Insert, Select, Update


def upstream_key(connection: str, subject: str) -> str:
    """How a person's identity at another provider is kept, in one column."""
    return f"{connection}|{subject}"


USERS = Rows(
    t.USERS,
    User,
    own={
        "email": lambda user: user.email.lower() if user.email else None,
        "upstream": lambda user: upstream_key(*user.upstream) if user.upstream else None,
    },
)


class SignedIn(NamedTuple):
    """A session as stored, and its person."""

    session: Session
    user: User | None


class Users:
    _GET = Select(t.USERS, where="users.id = :id")
    _BY_EMAIL = Select(t.USERS, where="users.email = :email")
    _BY_UPSTREAM = Select(t.USERS, where="users.upstream = :upstream")
    _ALL = Select(t.USERS, tail="ORDER BY id")
    _ADD = Insert(t.USERS)
    _PUT = Insert(t.USERS, conflict="replace")
    _REMOVE = Delete(t.USERS, where="users.id = :id")

    def __init__(self, engine: Engine) -> None:
        self._engine, self._rows = engine, USERS

    async def get(self, user_id: str) -> User | None:
        return self._rows.maybe(await self._engine.one(self._GET, {"id": user_id}))

    async def by_email(self, email: str) -> User | None:
        return self._rows.maybe(await self._engine.one(self._BY_EMAIL, {"email": email.lower()}))

    async def by_upstream(self, connection: str, subject: str) -> User | None:
        key = upstream_key(connection, subject)
        return self._rows.maybe(await self._engine.one(self._BY_UPSTREAM, {"upstream": key}))

    async def all(self) -> list[User]:
        return [self._rows.record(row) for row in await self._engine.many(self._ALL, {})]

    def add(self, user: User) -> Step:
        """Loses when the id, the e-mail address or the upstream identity is taken."""
        return Step(self._ADD, self._rows.params(user))

    def put(self, user: User) -> Step:
        return Step(self._PUT, self._rows.params(user), wake=f"{t.USERS.name}:{user.id}")

    def remove(self, user_id: str) -> Step:
        """Loses when there is no such person."""
        return Step(self._REMOVE, {"id": user_id}, wake=f"{t.USERS.name}:{user_id}")


class Sessions:
    _GET = Select(
        t.SESSIONS,
        where="sessions.hash = :hash",
        columns=f"sessions.*, {USERS.beside}",
        join="LEFT JOIN users ON users.id = sessions.user_id",
    )
    _BY_SID = Select(t.SESSIONS, where="sessions.sid = :sid")
    _OF_USER = Select(t.SESSIONS, where="user_id = :user_id AND ended_at IS NULL", tail="ORDER BY auth_time DESC")
    _ADD = Insert(t.SESSIONS)
    _END = Update(t.SESSIONS, set="ended_at = :now", where="sessions.sid = :sid AND ended_at IS NULL")
    _END_ALL = Update(t.SESSIONS, set="ended_at = :now", where="user_id = :user_id AND ended_at IS NULL")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rows = Rows(t.SESSIONS, Session, changing=("ended_at",))

    async def get(self, hash_: str) -> SignedIn | None:
        row = await self._engine.one(self._GET, {"hash": hash_})
        return None if row is None else SignedIn(self._rows.record(row), USERS.joined(row))

    async def by_sid(self, sid: str) -> Session | None:
        return self._rows.maybe(await self._engine.one(self._BY_SID, {"sid": sid}))

    async def of_user(self, user_id: str) -> Sequence[Session]:
        return [self._rows.record(row) for row in await self._engine.many(self._OF_USER, {"user_id": user_id})]

    def add(self, session: Session) -> Step:
        return Step(self._ADD, self._rows.params(session))

    def end(self, sid: str, now: int) -> Step:
        """Loses when the session had ended already."""
        return Step(self._END, {"sid": sid, "now": now})

    def end_all(self, user_id: str, now: int) -> Step:
        return Step(self._END_ALL, {"user_id": user_id, "now": now}, may_miss=True)


class Interactions:
    """Sealed: where a person goes on after signing in may be a link that only they should have."""

    _GET = Select(t.INTERACTIONS, where="interactions.hash = :hash")
    _ADD = Insert(t.INTERACTIONS)
    _DONE = Update(
        t.INTERACTIONS,
        set="done_at = :now",
        where="interactions.hash = :hash AND done_at IS NULL AND expires_at > :now",
    )

    def __init__(self, engine: Engine, barrier: Barrier) -> None:
        self._engine = engine
        self._rows = Rows(t.INTERACTIONS, Interaction, changing=("done_at",), barrier=barrier)

    async def get(self, hash_: str) -> Interaction | None:
        return self._rows.maybe(await self._engine.one(self._GET, {"hash": hash_}))

    def add(self, interaction: Interaction) -> Step:
        return Step(self._ADD, self._rows.params(interaction))

    def finish(self, hash_: str, now: int) -> Step:
        """Loses when it was finished before or has expired."""
        return Step(self._DONE, {"hash": hash_, "now": now})
