"""A process that writes to one relation store as fast as it can, with others. Prints what it won, then what it saw."""

from __future__ import annotations

import asyncio
import json
import sys

from tests.fixtures import relations as fixture
from tests.storage.conftest import MASTER, NOW

from remit_server.rules.relations.facts import Holders
from remit_server.storage.groups.relation_writes import Clash
from remit_server.storage.open import open_store
from remit_server.storage.store import Store

STORE = "01JSTORE0000000000000000S1"
WRITERS, TURNS = 6, 15


async def write(store: Store, own: str) -> list[int]:
    """The turns whose tuples were ours to write. Each turn writes two that everybody wants, and one of our own."""
    won = []
    for turn in range(TURNS):
        try:
            await fixture.write(store, STORE, [f"doc:{turn} viewer user:ada", f"doc:{turn} viewer user:bo"])
            won.append(turn)
        except Clash:
            pass
        await fixture.write(store, STORE, [f"doc:{turn} owner user:{own}"])
    return won


async def read(store: Store, over: asyncio.Event) -> int:
    """How often a revision was seen of which not everything could be read."""
    torn = 0
    while not over.is_set():
        seen = await store.relations.store(STORE)
        assert seen is not None
        everything = {change.revision for change in await store.relations.changes(STORE, size=100_000)}
        needs = [Holders(f"doc:{turn}", "viewer", "user") for turn in range(TURNS)]
        found = await store.relations.facts(STORE, needs)
        torn += not everything >= set(range(1, seen.revision + 1))
        torn += any(len(found[need] or ()) == 1 for need in needs)
    return torn


async def main(url: str, name: str) -> None:
    store = await open_store(url, MASTER, NOW)
    over = asyncio.Event()
    reading = asyncio.create_task(read(store, over))
    won = await asyncio.gather(*(write(store, f"{name}-{n}") for n in range(WRITERS)))
    over.set()
    print(json.dumps({"won": [turn for turns in won for turn in turns], "torn": await reading}))
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
