"""Rotating the data key and the master, in one process and under another one's feet."""

from __future__ import annotations

import asyncio

import pytest
from tests.ledger import proves
from tests.storage.conftest import MASTER, NOW, Open
from tests.storage.samples import account, event

from remit_server.errors import ConfigurationError, IntegrityError
from remit_server.records import Connection
from remit_server.storage import rotation
from remit_server.storage.barrier import Barrier, Master
from remit_server.storage.open import open_store
from remit_server.storage.rotation import keep_only, reseal, rotate_data_key, wrap_for
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Select
from remit_server.storage.store import Store

NEW_MASTER = Master(bytes(range(1, 33)))


async def stale_rows(store: Store) -> int:
    rows = [row for table in t.SEALED for row in await store.engine.many(Select(table), {})]
    return sum(store.barrier.stale(row["body"]) for row in rows)


async def test_old_rows_open_and_new_rows_are_sealed_with_the_new_key(store: Store) -> None:
    old = account()
    await store.commit(store.connected_accounts.add(old))
    key_id = await rotate_data_key(store, MASTER, event("key.rotated"), NOW)  # within the second of the first key
    new = account()
    await store.commit(store.connected_accounts.add(new))
    assert await store.connected_accounts.get(old.id, old.user_id) == old
    assert await store.connected_accounts.get(new.id, new.user_id) == new
    assert await stale_rows(store) == 1
    assert [row["id"] for row in await store.data_keys.all()][-1] == key_id
    assert [one.kind for _, one in await store.trail.latest()] == ["key.rotated"]


async def test_the_newest_key_seals_after_a_restart(open_: Open) -> None:
    store = await open_()
    for _ in range(3):
        await rotate_data_key(store, MASTER, event("key.rotated"), NOW)
    await store.commit(store.secrets.add("s", b"v"))
    assert await stale_rows(await open_()) == 0


async def test_a_running_process_hears_of_a_new_key(open_: Open) -> None:
    mine, theirs = await open_(), await open_()
    await theirs.commit(theirs.secrets.add("old", b"1"))
    key_id = await rotate_data_key(mine, MASTER, event("key.rotated"), NOW)
    for _ in range(100):
        if not theirs.barrier.stale(b"\x01" + bytes.fromhex(key_id)):
            return
        await asyncio.sleep(0.02)
    pytest.fail("the other process still seals with the old key")


async def test_a_process_that_is_closing_reads_no_keys_and_complains_of_none(
    open_: Open, caplog: pytest.LogCaptureFixture
) -> None:
    store = await open_()
    assert store._keyring is not None
    await store._keyring.close()
    for wake in store.engine._wakes:  # type: ignore[attr-defined]
        wake("*")
    await store.engine.close()
    await asyncio.sleep(0.05)
    assert caplog.text == ""


async def test_a_process_that_did_not_hear_reads_the_keys_before_it_judges(
    open_: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = await open_(), await open_()
    monkeypatch.setattr(theirs._keyring, "_heard", lambda _: None)
    theirs.engine._wakes.clear()  # type: ignore[attr-defined]
    await rotate_data_key(mine, MASTER, event("key.rotated"), NOW)
    await mine.commit(mine.secrets.add("new", b"2"), mine.connections.put(Connection(name="calendar", provider="p")))
    assert await theirs.secrets.get("new") == b"2"
    await rotate_data_key(mine, MASTER, event("key.rotated"), NOW)
    await mine.commit(mine.connections.put(Connection(name="chat", provider="p")))
    assert {one.name for one in await theirs.connections.all()} == {"calendar", "chat"}


@proves("sealing.rotation")
class TestReseal:
    async def test_it_seals_all_that_is_stale(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rotation, "AT_ONCE", 7)
        accounts = [account(user_id=f"u{i}") for i in range(40)]
        await store.commit(*(store.connected_accounts.add(one) for one in accounts), store.secrets.add("s", b"v"))
        await rotate_data_key(store, MASTER, event("key.rotated"), NOW)
        assert await stale_rows(store) == 41
        assert await reseal(store) == 41
        assert await stale_rows(store) == 0
        assert await reseal(store) == 0
        for one in accounts:
            assert await store.connected_accounts.get(one.id, one.user_id) == one
        assert await store.secrets.get("s") == b"v"

    async def test_it_goes_on_where_it_was_stopped(self, store: Store) -> None:
        await store.commit(*(store.connected_accounts.add(account()) for _ in range(300)))
        await rotate_data_key(store, MASTER, event("key.rotated"), NOW)
        sweep = asyncio.create_task(reseal(store))
        for _ in range(1000):
            if await stale_rows(store) < 300:
                break
        sweep.cancel()
        await asyncio.gather(sweep, return_exceptions=True)
        await reseal(store)
        assert await stale_rows(store) == 0

    async def test_it_overwrites_nothing_that_is_saved_meanwhile(self, store: Store) -> None:
        accounts = [account() for _ in range(50)]
        await store.commit(*(store.connected_accounts.add(one) for one in accounts))
        await rotate_data_key(store, MASTER, event("key.rotated"), NOW)
        saves = [store.connected_accounts.save(account(id=one.id, access_token="fresh")) for one in accounts]
        await asyncio.gather(reseal(store), *(store.commit(save) for save in saves), reseal(store))
        for one in accounts:
            saved = await store.connected_accounts.get(one.id, one.user_id)
            assert saved is not None
            assert saved.access_token == "fresh"


@proves("sealing.rotation")
class TestMaster:
    async def test_during_a_move_both_masters_open_and_afterwards_the_new_one_only(
        self, open_: Open, database_url: str
    ) -> None:
        store = await open_()
        await store.commit(store.secrets.add("s", b"v"))
        await rotate_data_key(store, MASTER, event("key.rotated"), NOW)
        assert await wrap_for(store.engine, MASTER, NEW_MASTER, event("key.rotated")) == 2
        assert await wrap_for(store.engine, MASTER, NEW_MASTER, event("key.rotated")) == 0
        for master in (MASTER, NEW_MASTER):
            again = await open_store(database_url, master, NOW)
            assert await again.secrets.get("s") == b"v"
            await again.close()
        assert await keep_only(store.engine, NEW_MASTER, event("key.rotated")) == (MASTER.id,)
        assert await keep_only(store.engine, NEW_MASTER, event("key.rotated")) == ()
        assert await store.secrets.get("s") == b"v"  # the running process has its data keys
        with pytest.raises(IntegrityError, match="master"):
            await open_store(database_url, MASTER, NOW)
        again = await open_store(database_url, NEW_MASTER, NOW)
        assert await again.secrets.get("s") == b"v"
        assert not again.barrier.stale(await sealed(again))
        await again.close()

    async def test_a_third_master_is_refused(self, store: Store) -> None:
        third = Master(bytes(32))
        with pytest.raises(IntegrityError, match=MASTER.id):
            await wrap_for(store.engine, NEW_MASTER, third, event("key.rotated"))
        with pytest.raises(IntegrityError, match=MASTER.id):
            await keep_only(store.engine, NEW_MASTER, event("key.rotated"))
        assert {row["wrapped_by"] for row in await store.data_keys.all()} == {MASTER.id}

    async def test_a_data_key_is_not_rotated_during_a_move(self, store: Store) -> None:
        await wrap_for(store.engine, MASTER, NEW_MASTER, event("key.rotated"))
        for master in (MASTER, NEW_MASTER):
            with pytest.raises(ConfigurationError, match="--finish"):
                await rotate_data_key(store, master, event("key.rotated"), NOW)
        assert len({row["id"] for row in await store.data_keys.all()}) == 1

    async def test_a_data_key_that_was_added_during_a_move_lets_nobody_lose_it(self, store: Store) -> None:
        await wrap_for(store.engine, MASTER, NEW_MASTER, event("key.rotated"))
        key_id, key = Barrier.new_key()  # by somebody who looked before the move began
        await store.commit(store.data_keys.add(key_id, await MASTER.wrap(key, key_id), MASTER.id, NOW + 1))
        with pytest.raises(IntegrityError):
            await keep_only(store.engine, NEW_MASTER, event("key.rotated"))
        assert await wrap_for(store.engine, MASTER, NEW_MASTER, event("key.rotated")) == 1
        assert await keep_only(store.engine, NEW_MASTER, event("key.rotated")) == (MASTER.id,)

    async def test_a_process_with_the_old_master_fails_closed_on_a_newer_data_key(self, open_: Open) -> None:
        mine, theirs = await open_(), await open_()
        await wrap_for(mine.engine, MASTER, NEW_MASTER, event("key.rotated"))
        await keep_only(mine.engine, NEW_MASTER, event("key.rotated"))
        await rotate_data_key(mine, NEW_MASTER, event("key.rotated"), NOW)
        await mine.commit(mine.secrets.add("s", b"v"))
        with pytest.raises(IntegrityError):
            await theirs.secrets.get("s")
        await theirs.commit(theirs.secrets.add("t", b"v"))  # still sealed with what both can open
        assert await mine.secrets.get("t") == b"v"


async def sealed(store: Store) -> bytes:
    """A row that was written just now, as it lies."""
    await store.commit(store.secrets.add("fresh", b"v"))
    row = await store.engine.one(Select(t.SECRETS, where="secrets.name = :name"), {"name": "fresh"})
    assert row is not None
    return bytes(row["body"])
