"""A process to be killed: writes units as fast as it can and prints the id of each one that was acknowledged."""

from __future__ import annotations

import asyncio
import os
import sys

from tests.storage.conftest import MASTER, NOW
from tests.storage.samples import event, token

from remit_server.storage.contract import Busy
from remit_server.storage.open import open_store
from remit_server.storage.store import Store

WRITERS = 24


async def write_forever(store: Store, name: str) -> None:
    for n in range(1_000_000):
        id_ = f"{name}-{n}"
        try:
            await store.commit(store.tokens.add(token(hash=id_)), events=(event(id=f"e-{id_}", subject=id_),))
        except Busy:
            await asyncio.sleep(0.05)
        else:
            os.write(1, f"{id_}\n".encode())


async def main(url: str, life: str) -> None:
    store = await open_store(url, MASTER, NOW)
    await asyncio.gather(*(write_forever(store, f"{life}-{i}") for i in range(WRITERS)))


asyncio.run(main(sys.argv[1], sys.argv[2]))
