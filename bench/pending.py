"""Requests that wait for their person, put into a server's database as its own endpoint would have left them: sealed rows, and
what the trail says of each."""

import asyncio
import contextlib
import itertools
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import asyncpg

from remit_server.records import Actor, Approval, Event, User
from remit_server.rules.details import digest
from remit_server.runtime.ids import hashed, new_id, new_secret
from remit_server.runtime.passwords import Passwords
from remit_server.storage.barrier import Master
from remit_server.storage.open import open_store
from remit_server.storage.store import Store

AGENTS = tuple(f"bench-asks-{n}" for n in range(1, 5))
API = "https://mail.bench.example"
SCOPES = ("openid", "mail:send")
OF_EACH = 20
"""Open requests of each person: a longer backlog is that of more people."""
AT_ONCE = 2000
"""Units that are handed to the store together; fewer than it takes into its queue."""


def message(about: str) -> dict[str, Any]:
    """Of low risk, so that a session is enough to approve it."""
    return {
        "type": "message", "channel": "email", "sender": "ada@example.com", "recipients": ["bob@example.com"],
        "subject": f"Order {about}", "text": f"Order {about} is on its way. It should be with you by Thursday.\nAda",
    }  # fmt: skip


@dataclass
class Pending:
    """The backlog of one database."""

    store: Store
    passwords: Passwords
    settle: Callable[[], Awaitable[None]]
    """Have the database do now what it would do by itself within minutes, in the middle of a round."""
    count: int = 0

    async def grow(self, count: int, password: str, signing_in: int) -> list[str]:
        """Until so many wait; the e-mail addresses of new people who can sign in, and who are asked as much as the others."""
        now, hash_ = int(time.time()), await self.passwords.hash(password)
        people = [
            User(
                id=f"remit|{new_id()}", email=f"{secrets.token_hex(6)}@example.com", email_verified=True, name="Somebody",
                password=hash_, created_at=now, updated_at=now,
            )
            for _ in range(-(-(count - self.count) // OF_EACH))
        ]  # fmt: skip
        await self._write(((self.store.users.add(person),), ()) for person in people)
        wanted = range(self.count, count)
        await self._write(self._asked(people[n % len(people)], n, now) for n in wanted)
        self.count = count
        await self.settle()
        return [person.email or "" for person in people[:signing_in]]

    def _asked(self, person: User, n: int, now: int) -> tuple[tuple[Any, ...], tuple[Event, ...]]:
        """Asked within the last day, to be answered within a month."""
        details, asked_at = (message(f"{n}"),), now - n * 7919 % 86400
        approval = Approval(
            id=new_id(), kind="ciba", client_id=AGENTS[n % len(AGENTS)], handle=hashed(new_secret()), user_id=person.id,
            scopes=SCOPES, audiences=(API,), details=details, digest=digest(details), nonce=new_secret(),
            binding_message=f"Order {n}", same=secrets.token_hex(32), origin="127.0.0.1", created_at=asked_at,
            expires_at=now + 86400 + n * 7919 % (29 * 86400),
        )  # fmt: skip
        event = Event(
            id=new_id(), at=asked_at, kind="approval.asked", actor=Actor(user=person.id, client=approval.client_id),
            subject=approval.id, address=approval.origin,
            about={"asked_by": "ciba", "scope": " ".join(SCOPES), "details": list(details), "digest": approval.digest},
        )  # fmt: skip
        return (self.store.approvals.add(approval),), (event,)

    async def _write(self, units: Iterable[tuple[tuple[Any, ...], tuple[Event, ...]]]) -> None:
        left = iter(units)
        while some := list(itertools.islice(left, AT_ONCE)):
            await asyncio.gather(*(self.store.commit(*steps, events=events) for steps, events in some))


async def _settle(database: str) -> None:
    if database.startswith("sqlite:"):
        with contextlib.closing(sqlite3.connect(database.removeprefix("sqlite:"))) as file:
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return
    connection = await asyncpg.connect(database)
    await connection.execute("VACUUM (ANALYZE)")
    with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
        await connection.execute("CHECKPOINT")
    await connection.close()


@asynccontextmanager
async def pending(database: str, master: bytes) -> AsyncIterator[Pending]:
    store = await open_store(database, Master(master), int(time.time()))
    try:
        yield Pending(store, Passwords(), partial(_settle, database))
    finally:
        await store.close()
