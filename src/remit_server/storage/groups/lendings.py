"""What people lend to agents, and the one read that an agent's request for an account needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import msgspec

from remit_server.records import ConnectedAccount, Grant, Lending, Offer, Token
from remit_server.records.connection import ORGANISATION
from remit_server.storage.barrier import Barrier
from remit_server.storage.contract import Engine, Row, Step
from remit_server.storage.groups.agreements import GRANTS, TOKENS, Held
from remit_server.storage.groups.connections import CHANGING, ConnectedAccounts
from remit_server.storage.groups.people import USERS
from remit_server.storage.groups.rows import Rows
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Delete, Insert, Select, Update

_LENDINGS = Rows(t.LENDINGS, Lending, changing=("used_at",))


class Asked(NamedTuple):
    """A token that stands for a person, and all that the person could lend to its bearer at one connection."""

    held: Held
    grant: Grant | None
    """The agreement that the token hangs on."""
    session_ends: int | None
    """When the sign-in session of this agreement is over, or was ended; None when it is not known any more."""
    offers: Sequence[Offer]
    """The person's accounts and the organisation's, oldest first."""


class Lendings:
    _ASKED = Select(
        t.TOKENS,
        where="tokens.hash = :hash",
        columns=f"connected_accounts.*, {TOKENS.beside}, {GRANTS.beside}, {USERS.beside}, {_LENDINGS.beside}, "
        "CASE WHEN sessions.ended_at < sessions.expires_at THEN sessions.ended_at ELSE sessions.expires_at END "
        "AS session_ends",
        join="LEFT JOIN grants ON grants.id = tokens.grant_id "
        "LEFT JOIN sessions ON sessions.sid = grants.sid "
        "LEFT JOIN users ON users.id = tokens.user_id "
        "LEFT JOIN connected_accounts ON connected_accounts.user_id IN (tokens.user_id, :organisation) "
        "AND connected_accounts.connection = :connection "
        "LEFT JOIN lendings ON lendings.account_id = connected_accounts.id AND lendings.user_id = tokens.user_id "
        "AND lendings.client_id = :borrower",
        tail="ORDER BY connected_accounts.id",
        types={"organisation": "text", "connection": "text", "borrower": "text"},
    )
    _CALLED = replace(
        _ASKED,
        join=_ASKED.join.replace(":borrower", "tokens.client_id"),
        types={"organisation": "text", "connection": "text"},
    )
    _GET = Select(
        t.LENDINGS,
        where="lendings.account_id = :account_id AND lendings.user_id = :user_id AND lendings.client_id = :client_id",
    )
    _OF_USER = Select(t.LENDINGS, where="user_id = :user_id", tail="ORDER BY account_id, client_id")
    _OF_CLIENT = Select(t.LENDINGS, where="client_id = :client_id", tail="ORDER BY user_id, account_id LIMIT 1000")
    _PUT = Insert(t.LENDINGS, conflict="replace")
    _USE = Update(t.LENDINGS, set="used_at = :used_at", where=_GET.where)
    _END = Delete(t.LENDINGS, where=_GET.where)
    _END_OF_ACCOUNT = Delete(t.LENDINGS, where="lendings.account_id = :account_id")
    _END_OF_USER = Delete(t.LENDINGS, where="lendings.user_id = :user_id")
    _END_ALL = Delete(t.LENDINGS, where="lendings.user_id = :user_id AND lendings.client_id = :client_id")
    _END_OF_CLIENT = Delete(t.LENDINGS, where="lendings.client_id = :client_id")

    def __init__(self, engine: Engine, barrier: Barrier) -> None:
        self._engine = engine
        self._accounts = Rows(t.CONNECTED_ACCOUNTS, ConnectedAccount, changing=CHANGING, barrier=barrier)

    async def asked(self, hash_: str, connection: str, client_id: str) -> Asked | None:
        """Of the token with this hash: all that decides about lending an account to a client, in one read."""
        params = {"hash": hash_, "organisation": ORGANISATION, "connection": connection, "borrower": client_id}
        return self._read(await self._engine.few(self._ASKED, params))

    async def called(self, hash_: str, connection: str) -> Asked | None:
        """The same for the client that the token was issued to, before anybody knows which that is."""
        params = {"hash": hash_, "organisation": ORGANISATION, "connection": connection}
        return self._read(await self._engine.few(self._CALLED, params))

    def _read(self, rows: Sequence[Row]) -> Asked | None:
        if not rows:
            return None
        first = rows[0]
        token, grant = TOKENS.joined(first), GRANTS.joined(first)
        assert token is not None, "the row was found by the token"
        held = Held(token, grant.revoked_at if grant else None, USERS.joined(first))
        return Asked(held, grant, first["session_ends"], [self._offer(row) for row in rows if row["body"] is not None])

    @staticmethod
    def topics(token: Token, account_id: str) -> tuple[str, ...]:
        """By which one hears that `asked` may say something else now of this token and this account; that of the client aside."""
        named = {t.TOKENS: token.hash, t.USERS: token.user_id, t.GRANTS: token.grant_id, t.SESSIONS: token.sid}
        rest = (f"{table.name}:{key}" for table, key in named.items() if key)
        return ConnectedAccounts.wake(account_id), *rest

    def _offer(self, row: Row) -> Offer:
        account = self._accounts.record(row)
        # A column holds a number.
        return Offer(msgspec.structs.replace(account, limited=bool(account.limited)), _LENDINGS.joined(row))

    async def get(self, account_id: str, user_id: str, client_id: str) -> Lending | None:
        row = await self._engine.one(
            self._GET, {"account_id": account_id, "user_id": user_id, "client_id": client_id}
        )  # fmt: skip
        return _LENDINGS.maybe(row)

    async def of_user(self, user_id: str) -> Sequence[Lending]:
        """All that a person lends."""
        return [_LENDINGS.record(row) for row in await self._engine.many(self._OF_USER, {"user_id": user_id})]

    async def of_client(self, client_id: str) -> Sequence[Lending]:
        """What an agent was lent, at most 1,000."""
        return [_LENDINGS.record(row) for row in await self._engine.many(self._OF_CLIENT, {"client_id": client_id})]

    def put(self, lending: Lending) -> Step:
        """Lend, or change what is lent."""
        return Step(self._PUT, _LENDINGS.params(lending), wake=ConnectedAccounts.wake(lending.account_id))

    def use(self, lending: Lending, now: int) -> Step:
        """Note a use; loses when the person took it back in this moment."""
        return Step(self._USE, {**_key(lending), "used_at": now})

    def end(self, account_id: str, user_id: str, client_id: str) -> Step:
        """Take it back; loses when it was not lent."""
        params = {"account_id": account_id, "user_id": user_id, "client_id": client_id}
        return Step(self._END, params, wake=ConnectedAccounts.wake(account_id))

    def end_of_account(self, account_id: str) -> Step:
        """The account goes."""
        return Step(self._END_OF_ACCOUNT, {"account_id": account_id}, may_miss=True)

    def end_of_user(self, user_id: str) -> Step:
        """The person goes."""
        return Step(self._END_OF_USER, {"user_id": user_id}, may_miss=True)

    def end_all(self, user_id: str, client_id: str) -> Step:
        """The person stops the agent."""
        params = {"user_id": user_id, "client_id": client_id}
        return Step(self._END_ALL, params, may_miss=True, wake=f"{t.USERS.name}:{user_id}")

    def end_of_client(self, client_id: str) -> Step:
        """The agent goes: should its id come back, it finds nothing lent."""
        return Step(self._END_OF_CLIENT, {"client_id": client_id}, may_miss=True)


def _key(lending: Lending) -> dict[str, str]:
    return {name: getattr(lending, name) for name in t.LENDINGS.key}
