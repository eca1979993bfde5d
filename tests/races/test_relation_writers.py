"""Several processes write to one relation store: of equal writes one wins, revisions have no gaps, nobody reads half a write."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections import Counter
from pathlib import Path

from tests.ledger import proves
from tests.races.relation_writer_process import STORE, TURNS, WRITERS
from tests.storage.conftest import MASTER, NOW

from remit_server.storage.groups.relations import RelationStore
from remit_server.storage.open import open_store

PROCESSES = 3


async def run(url: str, name: str) -> dict[str, list[int] | int]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.races.relation_writer_process", url, name, stdout=PIPE, cwd=Path(__file__).parents[2]
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0
    said: dict[str, list[int] | int] = json.loads(output)
    return said


@proves("relations.writes-are-exact")
async def test_equal_writes_of_several_processes(database_url: str) -> None:
    store = await open_store(database_url, MASTER, NOW)
    await store.commit(store.relations.add_store(RelationStore(id=STORE, name="shop", created_at=NOW)))
    said = await asyncio.gather(*(run(database_url, str(n)) for n in range(PROCESSES)))
    won = Counter(turn for one in said for turn in one["won"])
    assert won == dict.fromkeys(range(TURNS), 1)
    assert [one["torn"] for one in said] == [0] * PROCESSES
    writes = TURNS + PROCESSES * WRITERS * TURNS
    changes = await store.relations.changes(STORE, size=100_000)
    assert Counter(change.revision for change in changes) == {
        **{change.revision: 2 for change in changes if change.tuple.relation == "viewer"},
        **{change.revision: 1 for change in changes if change.tuple.relation == "owner"},
    }
    assert sorted({change.revision for change in changes}) == list(range(1, writes + 1))
    found = await store.relations.store(STORE)
    assert found is not None
    assert found.revision == writes
    assert len(await store.trail.about(STORE)) == writes
    await store.trail.verify()
    await store.close()
