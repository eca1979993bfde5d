"""Rotating keys: a new data key, another master, and sealing again what older data keys sealed.

rotate_data_key   from now on rows are sealed with a new key; old rows open with the old one
reseal            seals old rows anew, a few at a time, while everything runs
wrap_for          wraps the data keys for another master, too: a process may start with either
keep_only         lets go of every master but one: the end of a move
"""

from __future__ import annotations

import asyncio
from typing import Final

from remit_server.errors import ConfigurationError
from remit_server.records.event import Event
from remit_server.storage.barrier import Barrier, place_of
from remit_server.storage.contract import Engine, Row, Step, Unit
from remit_server.storage.groups.keys import DataKeys
from remit_server.storage.keepers import Keeper, wrap_surely
from remit_server.storage.keyring import fresh, open_all, wake
from remit_server.storage.sql.statements import Select, Table, Update
from remit_server.storage.sql.tables import SEALED
from remit_server.storage.store import Store

AT_ONCE: Final = 100


async def rotate_data_key(store: Store, keeper: Keeper, event: Event, now: int) -> str:
    """Make a new data key and seal with it from now on; its id. Other processes hear of it by a wake.

    Raises `ConfigurationError` during a move to another master: of those that run, some could not open the new key.
    """
    rows = await store.data_keys.all()
    if {row["wrapped_by"] for row in rows} != {keeper.id}:
        raise ConfigurationError(
            "the data keys are being moved to another master key: `remit keys rewrap --finish` first, then rotate"
        )
    # The newest is the one that seals, so it must be newer than the last even within one second.
    created_at = max(now, *(row["created_at"] + 1 for row in rows))
    new = await fresh(keeper)
    step = store.data_keys.add(new.id, new.wrapped, keeper.id, created_at)
    await store.commit(step, events=(event,), wakes=(wake(new.id),))
    store.barrier.add(new.id, new.key)
    store.barrier.use(new.id)
    return new.id


async def wrap_for(engine: Engine, keeper: Keeper, other: Keeper, event: Event) -> int:
    """Wrap every data key for another master beside the present one, all in one unit; how many. Asked again it finds nothing
    left to do. Running processes notice nothing, and may be started anew with either.

    Raises `IntegrityError` when the present master does not open them, or the other does not open what it wrapped; `Lost`
    when somebody does the same at the same time.
    """
    keys = DataKeys(engine)
    rows = await keys.all()
    opened = await open_all(rows, keeper)
    have = {row["id"] for row in rows if row["wrapped_by"] == other.id}
    created = {row["id"]: row["created_at"] for row in rows}
    steps = [
        keys.add(key_id, await wrap_surely(other, key, key_id), other.id, created[key_id])
        for key_id, key in opened.items()
        if key_id not in have
    ]
    if steps:
        await engine.commit(Unit(steps, [event]))
    return len(steps)


async def keep_only(engine: Engine, keeper: Keeper, event: Event) -> tuple[str, ...]:
    """Let go of every master but this one, which is proved first; the names of those that went. Only the wrappings that were
    seen go: a data key that somebody adds meanwhile stays. Raises `IntegrityError` when one key has no other wrapping."""
    keys = DataKeys(engine)
    rows = await keys.all()
    await open_all(rows, keeper)
    gone = [row for row in rows if row["wrapped_by"] != keeper.id]
    if gone:
        await engine.commit(Unit([keys.drop(row["id"], row["wrapped_by"]) for row in gone], [event]))
    return tuple(sorted({row["wrapped_by"] for row in gone}))


async def reseal(store: Store) -> int:
    """Seal with the current data key every row that an older one sealed; how many there were.

    It may be stopped and begun again at any time. A row that somebody changes meanwhile is left as they sealed it.
    """
    return sum([await _reseal_table(store.engine, store.barrier, table) for table in SEALED])


async def _reseal_table(engine: Engine, barrier: Barrier, table: Table) -> int:
    (key,) = table.key
    page = Select(table, where=f"{key} > :after", tail=f"ORDER BY {key} LIMIT {AT_ONCE}", types={"after": "text"})
    change = Update(
        table,
        set="body = :body",
        where=f"{table.name}.{key} = :{key} AND {table.name}.body = :was",
        types={"was": "blob"},
    )

    def sealed_anew(row: Row) -> Unit:
        where = place_of(table, row)
        body = barrier.seal(barrier.open(row["body"], where), where)
        return Unit([Step(change, {key: row[key], "body": body, "was": row["body"]}, may_miss=True)])

    count, after = 0, ""
    while rows := await engine.many(page, {"after": after}):
        stale = [sealed_anew(row) for row in rows if barrier.stale(row["body"])]
        changed = await asyncio.gather(*(engine.commit(unit) for unit in stale))
        count += sum(row is not None for (row,) in changed)
        after = rows[-1][key]
    return count
