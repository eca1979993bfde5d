"""A process to be killed: it renews one account and stops at the step that it is given, which it prints."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from tests.fixtures.house import ISSUER, Clock

from remit_server.app import start_machines
from remit_server.config import Settings
from remit_server.storage.barrier import Master
from remit_server.storage.open import open_store
from remit_server.vault.refresh import Refresher


async def stop_here(step: str) -> None:
    os.write(1, f"{step}\n".encode())
    await asyncio.sleep(3600)


async def main(url: str, at: int, user: str, step: str) -> None:
    clock = Clock(at)
    store = await open_store(url, Master(b"k" * 32), clock.now())
    machines = await start_machines(Settings(issuer=ISSUER), store, clock=clock)
    (account,) = await store.connected_accounts.of_user(user)
    connection = await store.connections.get(account.connection)
    assert connection is not None
    commit, send = store.commit, machines.outbound.send

    async def commits(*steps: Any, **more: Any) -> Any:
        what = steps[0].statement.set
        before, after = (
            ("before the lease", "before sending") if "body" not in what else ("before writing", "after writing")
        )
        if step == before:
            await stop_here(step)
        done = await commit(*steps, **more)
        if step == after:
            await stop_here(step)
        return done

    async def sends(*given: Any, **how: Any) -> Any:
        os.write(1, b"sending\n")
        return await send(*given, **how)

    store.commit = commits  # type: ignore[method-assign]
    machines.outbound.send = sends  # type: ignore[method-assign]
    use = await Refresher(machines).usable(connection, account, account.scopes, may=frozenset(account.scopes))
    os.write(1, f"{use.access_token}\n".encode())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]))
