"""Work that is announced begins at once, goes on until there is no more, and survives its own failures."""

from __future__ import annotations

import asyncio

import pytest
from tests.fixtures.house import House

from remit_server.runtime import woken
from remit_server.runtime.woken import Woken


@pytest.fixture(autouse=True)
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(woken, "EVERY", 3600.0)


async def test_an_announcement_is_enough(house: House) -> None:
    ran = asyncio.Semaphore(0)

    async def run() -> int:
        ran.release()
        return 0

    work = Woken(house.store.engine, "things", run, full=2)
    work.start()
    await house.store.commit(wakes=("other things",))
    await asyncio.sleep(0.05)
    assert ran.locked(), "somebody else's"
    await house.store.commit(wakes=("things",))
    async with asyncio.timeout(5):
        await ran.acquire()
    await work.close()


async def test_a_full_look_is_followed_by_another_and_a_failure_is_not_the_end(house: House) -> None:
    found, emptied, done = [2, 2, 1], asyncio.Event(), asyncio.Event()

    async def run() -> int:
        if not found:
            done.set()
            raise ValueError("not today")
        if len(found) == 1:
            emptied.set()
        return found.pop(0)

    work = Woken(house.store.engine, "things", run, full=2)
    work.start()
    await house.store.commit(wakes=("things",))
    async with asyncio.timeout(5):
        await emptied.wait()
        for _ in range(2):
            done.clear()
            await house.store.commit(wakes=("things",))
            await done.wait()
    await work.close()


async def test_what_only_falls_due_is_found_as_well(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(woken, "EVERY", 0.01)
    ran = asyncio.Event()

    async def run() -> int:
        ran.set()
        return 0

    work = Woken(house.store.engine, "things", run, full=2)
    work.start()
    async with asyncio.timeout(5):
        await ran.wait()
    await work.close()
