"""A store of ours with a drive in it, filled past the API as a restored backup would be."""

import asyncio
import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

import asyncpg

from bench.drive import MODEL, Tuple
from remit_server.rules.relations.model import compiled, parse
from remit_server.rules.relations.tuples import kind_of
from remit_server.runtime.ids import new_id
from remit_server.storage.groups.relation_models import RelationModel
from remit_server.storage.groups.relations import RelationStore
from remit_server.storage.store import Store

NAMES = ("store", "object", "relation", "kind", "subject", "condition", "context", "created_at")
HELD = ("store", "subject", "relation", "object", "condition")


async def fill(store: Store, url: str, tuples: Iterable[Tuple], now: int) -> str:
    """The id of a new store."""
    record = RelationStore(id=new_id(), name="drive", created_at=now, updated_at=now)
    await store.commit(store.relations.add_store(record))
    model = RelationModel(id=new_id(), model=parse(MODEL), created_at=now)
    await store.commit(*store.relation_models.put(record.id, "", model, compiled(model.model).types))
    if url.startswith("sqlite"):
        await asyncio.to_thread(_fill_sqlite, url.partition(":")[2], record.id, tuples, now)
    else:
        await _fill_postgresql(url, record.id, tuples, now)
    return record.id


def _rows(number: int, tuples: Iterable[Tuple], now: int) -> Iterator[tuple[Any, ...]]:
    for object_, relation, user in tuples:
        yield number, object_, relation, kind_of(user), user, "", "", now


def _fill_sqlite(path: str, store_id: str, tuples: Iterable[Tuple], now: int) -> None:
    link = sqlite3.connect(path)
    (number,) = link.execute("SELECT number FROM relation_stores WHERE id = ?", (store_id,)).fetchone()
    marks = ", ".join("?" for _ in NAMES)
    with link:
        rows = _rows(number, sorted(tuples), now)
        link.executemany(f"INSERT INTO relation_tuples ({', '.join(NAMES)}) VALUES ({marks})", rows)
        names = ", ".join(HELD)
        link.execute(f"INSERT INTO relation_held ({names}) SELECT {names} FROM relation_tuples ORDER BY 1, 2, 3, 4")
    link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    link.close()


async def _fill_postgresql(url: str, store_id: str, tuples: Iterable[Tuple], now: int) -> None:
    link = await asyncpg.connect(url)
    try:
        number = await link.fetchval("SELECT number FROM relation_stores WHERE id = $1", store_id)
        rows = _rows(number, tuples, now)
        while some := list(itertools.islice(rows, 50_000)):
            await link.copy_records_to_table("relation_tuples", records=some, columns=list(NAMES))
        names = ", ".join(HELD)
        await link.execute(
            f"INSERT INTO relation_held ({names}) SELECT {names} FROM relation_tuples ORDER BY 1, 2, 3, 4"
        )
        await link.execute("ANALYZE")
    finally:
        await link.close()
