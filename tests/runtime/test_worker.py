"""Jobs come round, and of all nodes one does them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace
from tests.fixtures.house import Clock, House
from tests.ledger import proves

from remit_server.runtime.worker import Job, Worker
from remit_server.storage.barrier import Master
from remit_server.storage.open import open_store
from remit_server.storage.store import Store


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    store = await open_store(database_url, Master(b"k" * 32), 1)
    yield store
    await store.close()


@proves("worker.one-doer")
async def test_of_all_nodes_one_does_a_job_in_its_time(store: Store) -> None:
    clock, done = Clock(), []

    async def run() -> None:
        done.append(clock.now())

    nodes = [Worker(store, clock, [job := Job("sweep", 60, run)]) for _ in range(5)]
    assert sum(await asyncio.gather(*(node.once(job) for node in nodes))) == 1
    assert len(done) == 1
    clock.forward(30)
    assert sum(await asyncio.gather(*(node.once(job) for node in nodes))) == 1


async def test_a_lease_ends_by_time_or_by_leaving(store: Store) -> None:
    leases = store.leases
    assert await leases.take("x", "one", 100, 10)
    assert not await leases.take("x", "two", 109, 10)
    assert await leases.take("x", "one", 105, 10)
    assert await leases.take("x", "two", 115, 10)
    await leases.leave("x", "one")
    assert not await leases.take("x", "one", 116, 10)
    await leases.leave("x", "two")
    assert await leases.take("x", "one", 116, 10)


async def test_a_job_that_fails_comes_round_again(store: Store) -> None:
    runs = asyncio.Semaphore(0)

    async def run() -> None:
        runs.release()
        raise ValueError("not today")

    clock = Clock()
    worker = Worker(store, clock, [Job("fails", 0, run)])
    worker.start()
    async with asyncio.timeout(5):
        await runs.acquire()
        await runs.acquire()
    await worker.close()


async def test_old_signing_keys_are_rotated_by_themselves(house: House) -> None:
    (before,) = [key for key in await house.store.signing_keys.all() if key.alg == "ES256"]
    house.clock.at = before.created_at + 90 * 86400
    await house.machines.keys.rotate_older_than(90 * 86400)
    keys = {key.kid: key.state for key in await house.store.signing_keys.all() if key.alg == "ES256"}
    assert keys.pop(before.kid) == "retired"
    assert list(keys.values()) == ["current"]
    assert replace(before, state="current") == before
    await house.machines.keys.rotate_older_than(0)
    assert len([key for key in await house.store.signing_keys.all() if key.alg == "ES256"]) == 2
