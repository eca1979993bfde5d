"""Rotating keys: a new data key, a new master, and sealing again what older data keys sealed.

rotate_data_key   from now on rows are sealed with a new key; old rows open with the old one
reseal            seals old rows anew, a few at a time, while everything runs
rotate_master     wraps the data keys for a new master; then restart every process with it
"""

from __future__ import annotations

import asyncio
from typing import Final

from remit_server.errors import IntegrityError
from remit_server.records.event import Event
from remit_server.storage.barrier import Barrier, Master, place_of
from remit_server.storage.contract import Engine, Row, Step, Unit
from remit_server.storage.groups.keys import DataKeys
from remit_server.storage.keyring import wake
from remit_server.storage.sql.statements import Select, Table, Update
from remit_server.storage.sql.tables import SEALED
from remit_server.storage.store import Store

AT_ONCE: Final = 100


async def rotate_data_key(store: Store, master: Master, event: Event, now: int) -> str:
    """Make a new data key and seal with it from now on; its id. Other processes hear of it by a wake."""
    rows = await store.data_keys.all()
    # The newest is the one that seals, so it must be newer than the last even within one second.
    created_at = max(now, *(row["created_at"] + 1 for row in rows))
    key_id, key = Barrier.new_key()
    step = store.data_keys.add(key_id, master.wrap(key, key_id), master.id, created_at)
    await store.commit(step, events=(event,), wakes=(wake(key_id),))
    store.barrier.add(key_id, key)
    store.barrier.use(key_id)
    return key_id


async def rotate_master(engine: Engine, old: Master, new: Master, event: Event) -> int:
    """Wrap every data key for the new master, all in one unit; how many. Asked again it finds nothing left to do.

    Running processes go on with the data keys that they have opened, but must be restarted with the new master before
    the data key is rotated next. Raises `IntegrityError` when a data key is wrapped by neither, `Lost` when somebody
    rotates at the same time.
    """
    keys = DataKeys(engine)
    steps = []
    for row in await keys.all():
        if row["wrapped_by"] == new.id:
            continue
        if row["wrapped_by"] != old.id:
            raise IntegrityError(f"data key {row['id']} is wrapped by a third master, {row['wrapped_by']}")
        wrapped = new.wrap(old.unwrap(row["body"], row["id"]), row["id"])
        steps.append(keys.rewrap(row["id"], wrapped, was=old.id, master=new.id))
    if steps:
        await engine.commit(Unit(steps, [event]))
    return len(steps)


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
