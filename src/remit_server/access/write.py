"""Write and delete tuples: judged by the model, whole or not at all, one revision, one event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from remit_server.access.refusals import (
    NothingToWrite,
    RepeatedTuple,
    StoreNotFound,
    TooManyTuples,
    WriteConflict,
    WriteFailed,
)
from remit_server.access.stores import Opened
from remit_server.errors import InvalidRequest
from remit_server.records import Client, Event, User
from remit_server.rules.relations import tuples
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.runtime.machines import Machines
from remit_server.storage.groups.relation_writes import Clash, Done, Otherwise, StoreGone, Write

__all__ = ["TOLD", "Otherwise", "write"]

TOLD: Final = 100
"""Of how many tuples an event tells; of more it tells the number."""


async def write(
    machines: Machines,
    opened: Opened,
    by: Client | User,
    *,
    writes: Sequence[RelationTuple] = (),
    deletes: Sequence[RelationTuple] = (),
    on_duplicate: Otherwise = "error",
    on_missing: Otherwise = "error",
    address: str | None = None,
) -> None:
    """All of it or nothing; of N requests that write the same tuple in one moment, one does.

    Raises `NothingToWrite`, `InvalidRequest`, `RepeatedTuple`, `TooManyTuples`, `WriteFailed`, `WriteConflict`,
    `StoreNotFound` or `TemporarilyUnavailable`.
    """
    if not writes and not deletes:
        raise NothingToWrite
    if len(writes) + len(deletes) > (most := machines.settings.relation_tuples):
        raise TooManyTuples(f"A request writes and deletes at most {most} tuples.")
    for tuple_ in writes:
        if fault := tuples.judge(opened.model, tuple_):
            raise InvalidRequest(str(fault))
        if tuple_.subject == f"{tuple_.object}#{tuple_.relation}":
            raise InvalidRequest("Whoever has a relation has it: such a tuple says nothing.")
    for tuple_ in deletes:  # what an older model took may be deleted under a newer one
        if fault := tuples.malformed(tuple_):
            raise InvalidRequest(str(fault))
    if len({tuple_.key for tuple_ in (*writes, *deletes)}) < len(writes) + len(deletes):
        raise RepeatedTuple

    user, client = (None, by.id) if isinstance(by, Client) else (by.id, None)

    def event(done: Done) -> Event:
        return machines.event(
            "access.written", user=user, client=client, address=address, subject=opened.id, store=opened.record.name,
            revision=done.revision, **_told("written", done.written), **_told("deleted", done.deleted),
        )  # fmt: skip

    asked = Write(machines.clock.now(), event, writes, deletes, on_duplicate, on_missing)
    try:
        await machines.store.relations.write(opened.id, opened.revision, asked)
    except StoreGone as gone:
        raise StoreNotFound from gone
    except Clash as clash:
        shown = f"{clash.tuple.subject} {clash.tuple.relation} {clash.tuple.object}"
        if clash.why == "differs":
            raise WriteConflict(f"A tuple to write is there already, with another condition: {shown}.") from clash
        raise WriteFailed(
            f"A tuple to write is there already: {shown}."
            if clash.why == "there"
            else f"A tuple to delete is not there: {shown}."
        ) from clash


def _told(name: str, changed: Sequence[RelationTuple]) -> dict[str, Any]:
    """Without what tuples tell their conditions: the trail need not keep that for ever."""
    told: dict[str, Any] = {name: [[part for part in tuple_[:4] if part] for tuple_ in changed[:TOLD]]}
    return told if len(changed) <= TOLD else {**told, f"{name}_in_all": len(changed)}
