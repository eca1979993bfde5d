"""The trail tells when somebody rewrote it."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest
from tests.fixtures.databases import execute
from tests.ledger import proves
from tests.storage.conftest import Open
from tests.storage.samples import event, token

from remit_server.errors import IntegrityError
from remit_server.storage.store import Store

TAMPERING = {
    "a body": ["UPDATE events SET body = (SELECT body FROM events WHERE seq = 4) WHERE seq = 5"],
    "one word": ["UPDATE events SET body = REPLACE_IN(body, 'denied', 'spared') WHERE seq = 5"],
    "a column": ["UPDATE events SET user_id = 'auth0|eve' WHERE seq = 5"],
    "a column to nothing": ["UPDATE events SET subject = NULL WHERE seq = 5"],
    "a hash": ["UPDATE events SET hash = (SELECT hash FROM events WHERE seq = 4) WHERE seq = 5"],
    "one removed from the middle": ["DELETE FROM events WHERE seq = 5"],
    "one removed and the rest moved up": [
        "DELETE FROM events WHERE seq = 5",
        *(f"UPDATE events SET seq = {n - 1} WHERE seq = {n}" for n in range(6, 11)),
        "UPDATE chain SET seq = 9",
    ],
    "two in another order": [
        "UPDATE events SET seq = 0 WHERE seq = 5",
        "UPDATE events SET seq = 5 WHERE seq = 6",
        "UPDATE events SET seq = 6 WHERE seq = 0",
    ],
    "the first removed": ["DELETE FROM events WHERE seq = 1"],
    "the tail cut": ["DELETE FROM events WHERE seq > 7"],
    "the tail cut, the head's number too": ["DELETE FROM events WHERE seq > 7", "UPDATE chain SET seq = 7"],
    "everything": ["DELETE FROM events"],
    "the head's hash": ["UPDATE chain SET hash = (SELECT hash FROM events WHERE seq = 5)"],
    "the head": ["DELETE FROM chain"],
    "one forged at the end": [
        "INSERT INTO events (seq, id, at, kind, hash, body) SELECT 11, 'e_forged', at, kind, hash, body FROM events WHERE seq = 10"
    ],
}


def tamper(url: str, statements: list[str]) -> None:
    if url.startswith("sqlite:"):
        connection = sqlite3.connect(url.removeprefix("sqlite:"))
        for statement in statements:
            connection.execute(_spelled(statement, "CAST(REPLACE(CAST(body AS TEXT), '{}', '{}') AS BLOB)"))
        connection.commit()
        connection.close()
    else:
        wanted = "convert_to(replace(convert_from(body, 'UTF8'), '{}', '{}'), 'UTF8')"
        execute(url, *(_spelled(statement, wanted) for statement in statements))


def _spelled(statement: str, replace: str) -> str:
    return statement.replace("REPLACE_IN(body, 'denied', 'spared')", replace.format("denied", "spared"))


async def ten(store: Store) -> None:
    for _ in range(10):
        await store.commit(events=(event("approval.denied", subject="a_1"),))


@proves("storage.tampering-shows")
@pytest.mark.parametrize("what", TAMPERING)
async def test_it_notices(store: Store, database_url: str, what: str) -> None:
    await ten(store)
    assert (await store.trail.verify()).count == 10
    tamper(database_url, TAMPERING[what])
    with pytest.raises(IntegrityError):
        await store.trail.verify()


async def test_it_names_the_first_bad_event(store: Store, database_url: str) -> None:
    await ten(store)
    tamper(database_url, TAMPERING["one word"])
    with pytest.raises(IntegrityError, match="event 5"):
        await store.trail.verify()


@pytest.mark.parametrize("column", ["body", "hash"])
async def test_a_text_in_place_of_bytes_is_a_change_and_no_crash(store: Store, database_url: str, column: str) -> None:
    """SQLite stores what it is given, and `replace()` of a body gives a text."""
    if not database_url.startswith("sqlite:"):
        pytest.skip("PostgreSQL's columns have a type")
    await ten(store)
    tamper(database_url, [f"UPDATE events SET {column} = 'a text' WHERE seq = 5"])
    with pytest.raises(IntegrityError, match="event 5"):
        await store.trail.verify()
    with pytest.raises(IntegrityError, match="event 5"):
        await store.trail.links("a_1")


@proves("storage.no-event-no-effect")
async def test_nothing_is_written_over_or_beside_a_forged_event(store: Store, database_url: str) -> None:
    """No event, no effect: also when somebody took the next number."""
    await ten(store)
    tamper(database_url, TAMPERING["one forged at the end"])
    one = token()
    for _ in range(2):
        with pytest.raises(IntegrityError):
            await store.commit(store.tokens.add(one), events=(event(),))
        with pytest.raises(IntegrityError):  # nor does the head move on without its event
            await store.commit(events=(event(),))
    assert await store.tokens.held(one.hash) is None


async def test_an_empty_trail_is_whole(store: Store) -> None:
    assert (await store.trail.verify()).count == 0


async def test_it_is_followed_over_pages_while_it_grows(store: Store) -> None:
    async def write() -> None:
        for _ in range(30):
            await store.commit(events=tuple(event() for _ in range(100)))

    writing = asyncio.create_task(write())
    while not writing.done():
        await store.trail.verify()
    await writing
    verified = await store.trail.verify()
    assert verified.count == 3000
    assert [h.hex() async for _, _, h in store.trail.everything()][-1] == verified.head


async def test_processes_take_turns_at_the_head(store: Store, open_: Open) -> None:
    """Each links first to the head that it left itself, which here is never where the other has moved it."""
    other = await open_()
    for _ in range(3):
        for writer in (store, other, other):
            await writer.commit(events=(event(), event()))
    assert (await store.trail.verify()).count == 18
