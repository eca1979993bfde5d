"""Write and delete tuples: judged by the model, one unit, one event."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from remit_server.access.refusals import InvalidTuple, RepeatedTuple, TooManyTuples, WriteFailed
from remit_server.access.stores import Opened
from remit_server.errors import InvalidRequest
from remit_server.records import Client
from remit_server.rules.relations import tuples
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.runtime.machines import Machines

MOST = 100
Otherwise = Literal["error", "ignore"]


async def write(
    machines: Machines,
    opened: Opened,
    client: Client,
    *,
    writes: Sequence[RelationTuple] = (),
    deletes: Sequence[RelationTuple] = (),
    on_duplicate: Otherwise = "error",
    on_missing: Otherwise = "error",
) -> None:
    """All of it or nothing. Raises `InvalidTuple`, `RepeatedTuple`, `TooManyTuples` or `WriteFailed`.

    Of two requests that write the same tuple in one moment both succeed: it is there once.
    """
    if not writes and not deletes:
        raise InvalidRequest("There is nothing to write or delete.")
    if len(writes) + len(deletes) > MOST:
        raise TooManyTuples(f"A request writes and deletes at most {MOST} tuples.")
    if len({*writes, *deletes}) < len(writes) + len(deletes):
        raise RepeatedTuple
    for tuple_ in writes:
        if fault := tuples.judge(opened.model, tuple_):
            raise InvalidTuple(fault)
    for tuple_ in deletes:  # what an older model took may be deleted under a newer one
        if fault := tuples.malformed(tuple_):
            raise InvalidTuple(fault)
    store = machines.store.relations
    there = await asyncio.gather(*(store.has(opened.id, tuple_) for tuple_ in (*writes, *deletes)))
    if on_duplicate == "error" and any(there[: len(writes)]):
        raise WriteFailed("A tuple to write is there already.")
    if on_missing == "error" and not all(there[len(writes) :]):
        raise WriteFailed("A tuple to delete is not there.")
    now = machines.clock.now()
    steps = [store.remove(opened.id, tuple_) for tuple_ in deletes]
    steps += [store.add(opened.id, tuple_, now) for tuple_ in writes]
    event = machines.event(
        "access.written", client=client.id, subject=opened.id, store=opened.record.name,
        written=[list(tuple_) for tuple_ in writes], deleted=[list(tuple_) for tuple_ in deletes],
    )  # fmt: skip
    await machines.store.commit(*(replace(step, may_miss=True) for step in steps), events=(event,))
