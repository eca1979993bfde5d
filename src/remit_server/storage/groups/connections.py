"""Connected accounts and connect flows under way: sealed rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from remit_server.records import ConnectAttempt, ConnectedAccount
from remit_server.storage.barrier import Barrier
from remit_server.storage.contract import Engine, Params, Row, Step
from remit_server.storage.groups.rows import Rows
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Delete, Insert, Select, Update

CHANGING = ("state", "version", "lease_until", "lease_holder", "used_at", "used_by", "chosen", "limited")


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
        set="lease_until = :until, lease_holder = :lease_holder",
        where="connected_accounts.id = :id AND connected_accounts.version = :version AND "
        "connected_accounts.lease_until <= :now",
    )
    _RELEASE = Update(
        t.CONNECTED_ACCOUNTS,
        set="lease_until = 0, lease_holder = ''",
        where="connected_accounts.id = :id AND connected_accounts.lease_holder = :lease_holder",
    )
    _SAVE = Update(
        t.CONNECTED_ACCOUNTS,
        set="body = :body, state = :state, upstream_id = :upstream_id, version = version + 1, lease_until = 0, "
        "lease_holder = ''",
        where="connected_accounts.id = :id AND connected_accounts.version = :version",
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
            own={"limited": lambda account: int(account.limited)},
        )  # fmt: skip

    async def get(self, account_id: str, user_id: str) -> ConnectedAccount | None:
        """A person's account; somebody else's is not there."""
        row = await self._engine.one(self._GET, {"id": account_id, "user_id": user_id})
        return None if row is None else self._account(row)

    async def of_user(self, user_id: str) -> Sequence[ConnectedAccount]:
        """Oldest first; of each connection one is the default."""
        return _with_default(map(self._account, await self._engine.many(self._OF_USER, {"user_id": user_id})))

    async def connected(self, user_id: str, connection: str) -> Sequence[ConnectedAccount]:
        """Oldest first; one is the default."""
        rows = await self._engine.many(self._FOR, {"user_id": user_id, "connection": connection})
        return _with_default(map(self._account, rows))

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

    def release(self, account_id: str, holder: str) -> Step:
        """End a lease without a change."""
        return Step(self._RELEASE, {"id": account_id, "lease_holder": holder}, may_miss=True)

    def save(self, account: ConnectedAccount) -> Step:
        """Replace the sealed body and end the lease; loses when the version has moved on."""
        return Step(self._SAVE, {key: value for key, value in self._params(account).items() if key in self._SAVE.names})

    def touch(self, account_id: str, now: int, client_id: str) -> Step:
        """Note a use; loses when the account was disconnected, or broke, in this moment."""
        return Step(self._TOUCH, {"id": account_id, "used_at": now, "used_by": client_id})

    def choose(self, account: ConnectedAccount, among: Sequence[ConnectedAccount]) -> Step:
        """Make it the default of the person's accounts there. A refresh under way does not mind."""
        chosen = max(each.chosen for each in among) + 1
        return Step(self._CHOOSE, {"id": account.id, "user_id": account.user_id, "chosen": chosen})

    def limit(self, account: ConnectedAccount, *, limited: bool) -> Step:
        """Let only agents use it that have a lending of their own, or again all that the organisation allows."""
        return Step(self._LIMIT, {"id": account.id, "user_id": account.user_id, "limited": int(limited)})

    def remove(self, account_id: str, user_id: str) -> Step:
        return Step(self._REMOVE, {"id": account_id, "user_id": user_id})


def _with_default(accounts: Iterable[ConnectedAccount]) -> Sequence[ConnectedAccount]:
    """The same, the default of each connection marked: the last choice of the person, else the oldest that is there."""
    found = list(accounts)
    first: dict[str, ConnectedAccount] = {}
    for account in found:
        before = first.get(account.connection)
        if account.state != "disconnected" and (before is None or account.chosen > before.chosen):
            first[account.connection] = account
    return [
        msgspec.structs.replace(each, default=True) if each is first.get(each.connection) else each for each in found
    ]


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
