"""Connected accounts and connect flows under way: sealed rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from remit_server.records import ConnectAttempt, ConnectedAccount
from remit_server.records.connection import HELD
from remit_server.rules import keeping
from remit_server.storage.barrier import Barrier
from remit_server.storage.contract import Engine, Params, Row, Step
from remit_server.storage.groups.rows import Rows
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Delete, Insert, Select, Update

CHANGING = ("state", "version", "unanswered", "lease_until", "lease_holder", "used_at", "used_by", "chosen", "limited")


class ConnectedAccounts:
    _GET = Select(t.CONNECTED_ACCOUNTS, where="connected_accounts.id = :id AND connected_accounts.user_id = :user_id")
    _OF_USER = Select(t.CONNECTED_ACCOUNTS, where="user_id = :user_id", tail="ORDER BY id")
    _FOR = Select(
        t.CONNECTED_ACCOUNTS, where="user_id = :user_id AND connection = :connection", tail="ORDER BY id"
    )  # fmt: skip
    _COUNTS = Select(t.CONNECTED_ACCOUNTS, columns="connection, COUNT(*) AS accounts", tail="GROUP BY connection")
    _ADD = Insert(t.CONNECTED_ACCOUNTS)
    _LEASE = Update(
        t.CONNECTED_ACCOUNTS,
        # Who dies with the lease leaves an account that is due when the lease is over, and a sign that its refresh token
        # may have been spent.
        set="lease_until = :until, lease_holder = :lease_holder, unanswered = unanswered + 1, refresh_at = :until",
        # A lease that ends hours from now was taken by a wrong clock, and would keep everybody out for as long.
        where="connected_accounts.id = :id AND connected_accounts.version = :version AND "
        "(connected_accounts.lease_until <= :now OR connected_accounts.lease_until > :until + 3600)",
    )
    _SAVE = Update(
        t.CONNECTED_ACCOUNTS,
        set="body = :body, state = :state, upstream_id = :upstream_id, unanswered = :unanswered, refresh_at = :refresh_at, "
        "version = version + 1, lease_until = 0, lease_holder = ''",
        where="connected_accounts.id = :id AND connected_accounts.version = :version",
    )
    _SETTLE = Update(
        t.CONNECTED_ACCOUNTS, set=_SAVE.set, where=f"{_SAVE.where} AND connected_accounts.lease_holder = :lease_holder"
    )
    _POSTPONE = Update(
        t.CONNECTED_ACCOUNTS,
        set="refresh_at = :refresh_at",
        where="connected_accounts.id = :id AND connected_accounts.refresh_at <= :now AND "
        "connected_accounts.lease_until <= :now",
    )
    _DUE = Select(
        t.CONNECTED_ACCOUNTS,
        where="refresh_at <= :now AND lease_until <= :now AND state <> 'disconnected'",
        columns="id, user_id",
        tail="ORDER BY refresh_at LIMIT :most",
    )
    _PARTING = Select(
        t.CONNECTED_ACCOUNTS,
        where="refresh_at <= :now AND state = 'disconnected'",
        columns="id, user_id",
        tail="ORDER BY refresh_at LIMIT :most",
    )
    # With the version goes the right of a refresh that is under way: what it brings is revoked by whoever brought it.
    _PART = Update(
        t.CONNECTED_ACCOUNTS,
        set="state = 'disconnected', refresh_at = :now, version = version + 1, lease_until = 0, lease_holder = ''",
        where="connected_accounts.user_id = :user_id",
    )
    _TOUCH = Update(
        t.CONNECTED_ACCOUNTS,
        set="used_at = :used_at, used_by = :used_by",
        where="connected_accounts.id = :id AND connected_accounts.state = 'ok'",
    )
    _CHOOSE = Update(
        t.CONNECTED_ACCOUNTS,
        set="chosen = :chosen",
        where="connected_accounts.id = :id AND connected_accounts.user_id = :user_id",
    )
    _LIMIT = Update(
        t.CONNECTED_ACCOUNTS,
        set="limited = :limited",
        where="connected_accounts.id = :id AND connected_accounts.user_id = :user_id",
    )
    _REMOVE = Delete(
        t.CONNECTED_ACCOUNTS, where="connected_accounts.id = :id AND connected_accounts.user_id = :user_id"
    )

    def __init__(self, engine: Engine, barrier: Barrier) -> None:
        self._engine = engine
        self._rows = Rows(
            t.CONNECTED_ACCOUNTS, ConnectedAccount, changing=CHANGING, barrier=barrier,
            own={"limited": lambda account: int(account.limited), "refresh_at": keeping.due},
        )  # fmt: skip

    async def get(self, account_id: str, user_id: str) -> ConnectedAccount | None:
        """A person's account; somebody else's is not there."""
        row = await self._engine.one(self._GET, {"id": account_id, "user_id": user_id})
        return None if row is None else self._account(row)

    async def of_user(self, user_id: str) -> Sequence[ConnectedAccount]:
        """Oldest first; of each connection one is the default."""
        return with_default(map(self._account, await self._engine.many(self._OF_USER, {"user_id": user_id})))

    async def connected(self, user_id: str, connection: str) -> Sequence[ConnectedAccount]:
        """Oldest first; one is the default."""
        rows = await self._engine.many(self._FOR, {"user_id": user_id, "connection": connection})
        return with_default(map(self._account, rows))

    def _account(self, row: Row) -> ConnectedAccount:
        account = self._rows.record(row)
        return msgspec.structs.replace(account, limited=bool(account.limited))  # a column holds a number

    def _params(self, account: ConnectedAccount) -> Params:
        return self._rows.params(msgspec.structs.replace(account, default=False))

    async def counts(self) -> dict[str, int]:
        """How many accounts each connection has; those without any are not named."""
        return {row["connection"]: row["accounts"] for row in await self._engine.many(self._COUNTS, {})}

    def add(self, account: ConnectedAccount) -> Step:
        return Step(self._ADD, self._params(account))

    def lease(self, account: ConnectedAccount, holder: str, now: int, seconds: int) -> Step:
        """Become the one refresher of this version; loses when somebody else is, or has refreshed meanwhile."""
        params = {
            "id": account.id, "version": account.version, "lease_holder": holder, "now": now, "until": now + seconds
        }  # fmt: skip
        return Step(self._LEASE, params)

    def save(self, account: ConnectedAccount) -> Step:
        """Replace the sealed body and end any lease; loses when the version has moved on. Who waits for the account hears."""
        return Step(self._SAVE, self._named(self._SAVE, account), wake=self.wake(account.id))

    def settle(self, account: ConnectedAccount, holder: str) -> Step:
        """`save`, for who still has the lease."""
        params = self._named(self._SETTLE, msgspec.structs.replace(account, lease_holder=holder))
        return Step(self._SETTLE, params, wake=self.wake(account.id))

    def _named(self, statement: Update, account: ConnectedAccount) -> Params:
        return {name: value for name, value in self._params(account).items() if name in statement.names}

    @staticmethod
    def wake(account_id: str) -> str:
        """The topic by which other processes hear that an account, or to whom it is lent, has changed."""
        return f"{t.CONNECTED_ACCOUNTS.name}:{account_id}"

    async def due(self, now: int, most: int) -> Sequence[tuple[str, str]]:
        """Accounts (id, person) whose time to be renewed has come and that nobody renews, the longest due first."""
        rows = await self._engine.many(self._DUE, {"now": now, "most": most})
        return [(row["id"], row["user_id"]) for row in rows]

    async def parting(self, now: int, most: int) -> Sequence[tuple[str, str]]:
        """Accounts (id, person) whose disconnect nobody carries on, the longest due first."""
        rows = await self._engine.many(self._PARTING, {"now": now, "most": most})
        return [(row["id"], row["user_id"]) for row in rows]

    def part(self, user_id: str, now: int) -> Step:
        """Begin to disconnect all that a person has: nobody borrows from now on, and the vault tells the providers."""
        return Step(self._PART, {"user_id": user_id, "now": now}, may_miss=True)

    def postpone(self, account_id: str, now: int, until: int | None) -> Step:
        """What is due waits until then; None: until somebody asks for it."""
        return Step(self._POSTPONE, {"id": account_id, "now": now, "refresh_at": until}, may_miss=True)

    def touch(self, account_id: str, now: int, client_id: str) -> Step:
        """Note a use; loses when the account was disconnected, or broke, in this moment."""
        return Step(self._TOUCH, {"id": account_id, "used_at": now, "used_by": client_id})

    def choose(self, account: ConnectedAccount, among: Sequence[ConnectedAccount]) -> Step:
        """Make it the default of the person's accounts there. A refresh under way does not mind."""
        chosen = max(each.chosen for each in among) + 1
        return Step(self._CHOOSE, {"id": account.id, "user_id": account.user_id, "chosen": chosen})

    def limit(self, account: ConnectedAccount, *, limited: bool) -> Step:
        """Let only agents use it that have a lending of their own, or again all that the organisation allows."""
        params = {"id": account.id, "user_id": account.user_id, "limited": int(limited)}
        return Step(self._LIMIT, params, wake=self.wake(account.id))

    def remove(self, account_id: str, user_id: str) -> Step:
        return Step(self._REMOVE, {"id": account_id, "user_id": user_id}, wake=self.wake(account_id))


def with_default(accounts: Iterable[ConnectedAccount]) -> Sequence[ConnectedAccount]:
    """The same, oldest first, with the default of each person and connection marked: their last choice, else the oldest."""
    found = list(accounts)
    first: dict[tuple[str, str], ConnectedAccount] = {}
    for account in found:
        before = first.get(_place(account))
        if account.state != "disconnected" and (before is None or account.chosen > before.chosen):
            first[_place(account)] = account
    marked = {account.id for account in first.values()}
    return [msgspec.structs.replace(account, default=account.id in marked) for account in found]


def _place(account: ConnectedAccount) -> tuple[str, str]:
    return account.user_id, account.connection


class ConnectAttempts:
    """Flows under way; `step` is the stage (records/connection.py)."""

    _GET = Select(t.CONNECT_ATTEMPTS, where="connect_attempts.ticket = :ticket")
    _BY_STATE = Select(t.CONNECT_ATTEMPTS, where="connect_attempts.upstream_state = :upstream_state")
    _BY_SESSION = Select(t.CONNECT_ATTEMPTS, where="connect_attempts.auth_session = :auth_session")
    _ADD = Insert(t.CONNECT_ATTEMPTS)
    _ADVANCE = Update(
        t.CONNECT_ATTEMPTS,
        set="upstream_state = :upstream_state, connect_code = :connect_code, step = :step, body = :body",
        where="connect_attempts.ticket = :ticket AND connect_attempts.step = :was AND expires_at > :now",
        types={"was": "int"},
    )
    _ABANDONED = Select(
        t.CONNECT_ATTEMPTS,
        where=f"expires_at <= :now AND expires_at > :since AND step = {HELD}",
        tail="ORDER BY expires_at LIMIT :most",
    )
    _REMOVE = Delete(
        t.CONNECT_ATTEMPTS, where="connect_attempts.ticket = :ticket AND connect_attempts.expires_at <= :now"
    )

    def __init__(self, engine: Engine, barrier: Barrier) -> None:
        self._engine = engine
        self._rows = Rows(t.CONNECT_ATTEMPTS, ConnectAttempt, changing=("step",), barrier=barrier)

    async def get(self, ticket: str) -> ConnectAttempt | None:
        return self._rows.maybe(await self._engine.one(self._GET, {"ticket": ticket}))

    async def by_state(self, hash_: str) -> ConnectAttempt | None:
        return self._rows.maybe(await self._engine.one(self._BY_STATE, {"upstream_state": hash_}))

    async def by_session(self, hash_: str) -> ConnectAttempt | None:
        return self._rows.maybe(await self._engine.one(self._BY_SESSION, {"auth_session": hash_}))

    def add(self, attempt: ConnectAttempt) -> Step:
        return Step(self._ADD, self._rows.params(attempt))

    def advance(self, attempt: ConnectAttempt, now: int, *, was: int | None = None) -> Step:
        """Move to `attempt.step`, from the stage before it or from `was`; loses when that stage is over or the time is up."""
        params = {name: value for name, value in self._rows.params(attempt).items() if name in self._ADVANCE.names}
        before = attempt.step - 1 if was is None else was
        return Step(self._ADVANCE, {**params, "was": before, "now": now})

    async def abandoned(self, now: int, since: int, most: int) -> Sequence[ConnectAttempt]:
        """Flows that ended after `since` while the provider's answer waited for a client that never came for it."""
        rows = await self._engine.many(self._ABANDONED, {"now": now, "since": since, "most": most})
        return [self._rows.record(row) for row in rows]

    def remove(self, ticket: str, now: int) -> Step:
        """Forget a flow whose time is over; loses when it is gone already."""
        return Step(self._REMOVE, {"ticket": ticket, "now": now})
