"""Removing what time has made useless. Sweeping is no event: nothing that anybody could still use goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from remit_server.records import Approval, Event
from remit_server.storage.contract import Engine, Lost, Step, Unit
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Delete, Select, Table
from remit_server.storage.store import Store

AT_ONCE: Final = 200
"""Rows a unit's batch: requests that write meanwhile wait for no more than this."""
HOUR, DAY = 3600, 86_400


class Keep(NamedTuple):
    """Rows of `table` go when `column`, a time, is `seconds` past."""

    table: Table
    column: str
    seconds: int


KEEP: Final = (
    Keep(t.INTERACTIONS, "expires_at", 0),
    Keep(t.BURNED, "expires_at", 0),
    Keep(t.ATTEMPTS, "expires_at", 0),
    # The vault first gives back what a provider granted in a flow that nobody completed.
    Keep(t.CONNECT_ATTEMPTS, "expires_at", HOUR),
    Keep(t.PUSHED_REQUESTS, "expires_at", HOUR),
    # A person looks back on what they allowed; the trail keeps it for good.
    Keep(t.ALLOWANCES, "expires_at", 30 * DAY),
    # What is presented again after it was spent betrays a thief, so the spent ones stay known for a while.
    Keep(t.CODES, "expires_at", DAY),
    Keep(t.TOKENS, "expires_at", 7 * DAY),
    Keep(t.SESSIONS, "expires_at", 7 * DAY),
    Keep(t.SESSIONS, "ended_at", 7 * DAY),
)


async def sweep(store: Store, now: int, expired: Callable[[Approval], Event]) -> dict[str, int]:
    """Remove rows that are past their use and close approvals that nobody answered; how many, by table.

    Closing an approval is an event, which `expired` makes.
    """
    counts = {t.APPROVALS.name: await _close_approvals(store, now, expired)}
    for keep in KEEP:
        counts[keep.table.name] = counts.get(keep.table.name, 0) + await _remove(store.engine, keep, now)
    return counts


async def _remove(engine: Engine, keep: Keep, now: int) -> int:
    (key,), column = keep.table.key, keep.column
    old = Select(
        keep.table, where=f"{column} <= :until", columns=key, tail=f"ORDER BY {column} LIMIT {AT_ONCE}"
    )  # fmt: skip
    # Held against the time once more: a counter may have begun anew since it was listed.
    remove = Delete(keep.table, where=f"{keep.table.name}.{key} = :{key} AND {column} <= :until")
    until, count = now - keep.seconds, 0
    while rows := await engine.many(old, {"until": until}):
        steps = [Step(remove, {key: row[key], "until": until}, may_miss=True) for row in rows]
        removed = await asyncio.gather(*(engine.commit(Unit([step])) for step in steps))
        count += sum(row is not None for (row,) in removed)
        if len(rows) < AT_ONCE:
            break
    return count


async def empty_stores(store: Store) -> int:
    """Remove what stores held that were removed, a little at a time, and then their names; how many stores. Of a big one this
    takes long, so it is no part of the `sweep`, for which people wait."""
    removed = await store.relations.removed()
    for store_id in removed:
        for part in store.relations.parts(store_id):
            while step := await part():
                await store.engine.commit(Unit([step]))
        await store.engine.commit(Unit([store.relations.forget_store(store_id)]))
    return len(removed)


async def _close_approvals(store: Store, now: int, expired: Callable[[Approval], Event]) -> int:
    count = 0
    while approvals := await store.approvals.overdue(now):
        units = [Unit([store.approvals.expire(one.id, now)], [expired(one)]) for one in approvals]
        outcomes = await asyncio.gather(*(store.engine.commit(unit) for unit in units), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, Lost):  # lost: closed by another node
                raise outcome
        count += sum(not isinstance(outcome, Lost) for outcome in outcomes)
    return count
