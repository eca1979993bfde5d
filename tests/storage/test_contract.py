"""The contract of storage (storage/contract.py), sentence by sentence, on both databases."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from dataclasses import replace
from typing import Any

import pytest
from tests.fixtures.databases import NewDatabase
from tests.ledger import proves
from tests.storage.conftest import MASTER, NOW, Open
from tests.storage.samples import LATER, client, code, event, grant, token

from remit_server.storage.contract import Busy, Lost, Step, Unit, Unstorable
from remit_server.storage.open import open_store
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Delete, Insert, Select, Update
from remit_server.storage.store import Store

NULL_IN_A_KEY = Step(Insert(t.BURNED), {"hash": None, "expires_at": LATER})

SPEND = Delete(t.BURNED, where="burned.hash = :hash")


class TestUnits:
    async def test_steps_run_in_order_and_rows_come_back(self, store: Store) -> None:
        spent = token()
        rows = await store.commit(
            store.tokens.add(spent), store.tokens.rotate(spent.hash, "next", NOW), store.tokens.revoke("nobody's", NOW)
        )
        assert [row is not None for row in rows] == [True, True, False]
        held = await store.tokens.held(spent.hash)
        assert held is not None
        assert held.token.successor == "next"

    async def test_a_lost_step_ends_the_unit_and_earlier_steps_stay(self, store: Store) -> None:
        spent = code(used_at=None)
        await store.commit(store.codes.add(spent), store.codes.take(spent.hash, NOW))
        after = token()
        with pytest.raises(Lost) as lost:
            await store.commit(
                store.once.burn("jti-1", LATER),
                store.codes.take(spent.hash, NOW),
                store.tokens.add(after),
                events=(event(),),
            )
        assert lost.value.step == 1
        assert await store.tokens.held(after.hash) is None
        assert (await store.trail.verify()).count == 0
        with pytest.raises(Lost):
            await store.commit(store.once.burn("jti-1", LATER))

    async def test_an_insert_loses_to_a_row_already_there(self, store: Store) -> None:
        first = client("c_2", purpose="first")
        await store.commit(store.clients.add(first))
        with pytest.raises(Lost):
            await store.commit(store.clients.add(client("c_2", purpose="second")))
        assert await store.clients.get("c_2") == first

    async def test_of_two_inserts_of_one_key_in_one_batch_the_first_has_it(self, store: Store) -> None:
        outcomes = await asyncio.gather(
            *(store.commit(store.clients.add(client("c_3", purpose=str(i)))) for i in range(10)), return_exceptions=True
        )
        assert [isinstance(outcome, Lost) for outcome in outcomes] == [False] + [True] * 9
        kept = await store.clients.get("c_3")
        assert kept is not None
        assert kept.purpose == "0"

    async def test_of_two_replacements_in_one_batch_the_last_stays(self, store: Store) -> None:
        await asyncio.gather(*(store.commit(store.clients.put(client("c_4", purpose=str(i)))) for i in range(10)))
        kept = await store.clients.get("c_4")
        assert kept is not None
        assert kept.purpose == "9"

    async def test_equal_changes_in_one_batch_all_count(self, store: Store) -> None:
        await asyncio.gather(*(store.commit(*store.once.attempt("ada", NOW, 60)) for _ in range(20)))
        assert await store.once.attempts("ada", NOW) == 20

    async def test_a_step_of_many_rows_changes_all_or_loses(self, store: Store) -> None:
        burn = Insert(t.BURNED)
        rows = [{"hash": f"h{n}", "expires_at": LATER} for n in range(600)]
        await store.commit(Step(burn, rows), Step(SPEND, [{"hash": "h0"}, {"hash": "h599"}]))
        for step in (
            Step(burn, [{"hash": "new", "expires_at": LATER}, rows[1]]),
            Step(SPEND, [{"hash": "h1"}, {"hash": "h0"}]),
        ):
            with pytest.raises(Lost):
                await store.commit(step, events=(event(),))
            (missed,) = await store.commit(replace(step, may_miss=True))
            assert missed is None
        assert (await store.trail.verify()).count == 0

    async def test_steps_of_many_rows_in_one_batch_each_learn_of_their_own(self, store: Store) -> None:
        burn = Insert(t.BURNED)
        units = [[{"hash": f"{unit}-{n}", "expires_at": LATER} for n in range(3)] for unit in (0, 1, 1, 2)]
        outcomes = await asyncio.gather(*(store.commit(Step(burn, rows)) for rows in units), return_exceptions=True)
        assert [isinstance(outcome, Lost) for outcome in outcomes] == [False, False, True, False]

    async def test_a_unit_of_events_only(self, store: Store) -> None:
        await store.commit(events=(event(), event()))
        assert (await store.trail.verify()).count == 2

    async def test_an_empty_unit(self, store: Store) -> None:
        assert await store.commit() == []


@proves("storage.bad-row-fails-alone")
class TestBadRows:
    async def test_a_bad_row_fails_alone(self, store: Store) -> None:
        units = [Unit([store.tokens.add(token())], [event()]) for _ in range(20)]
        units[7] = Unit([NULL_IN_A_KEY], [event()])
        outcomes = await asyncio.gather(*(store.engine.commit(unit) for unit in units), return_exceptions=True)
        assert [i for i, outcome in enumerate(outcomes) if isinstance(outcome, Exception)] == [7]
        assert not isinstance(outcomes[7], Busy | Lost)
        assert (await store.trail.verify()).count == 19

    @pytest.mark.parametrize("value", ["\ud800", 2**63], ids=["surrogate", "65 bits"])
    async def test_what_cannot_be_stored_fails_alone(self, store: Store, value: object) -> None:
        bad = {"hash": value, "expires_at": LATER} if isinstance(value, str) else {"hash": "h", "expires_at": value}
        units = [Unit([store.tokens.add(token())], [event()]) for _ in range(5)]
        units.insert(2, Unit([Step(Insert(t.BURNED), bad)]))
        outcomes = await asyncio.gather(*(store.engine.commit(unit) for unit in units), return_exceptions=True)
        assert [type(o) for o in outcomes if isinstance(o, Exception)] == [Unstorable]
        assert (await store.trail.verify()).count == 5

    async def test_a_forgotten_value_fails_alone_and_the_writer_lives(self, store: Store) -> None:
        fine, broken = Unit([store.tokens.add(token())]), Unit([Step(Insert(t.BURNED), {"hash": "x"})])
        outcomes = await asyncio.gather(store.engine.commit(fine), store.engine.commit(broken), return_exceptions=True)
        assert [isinstance(o, Exception) for o in outcomes] == [False, True]
        await store.commit(store.tokens.add(token()))

    @pytest.mark.parametrize("key", ["\ud800", "a\0b"], ids=["surrogate", "NUL"])
    async def test_reading_by_what_cannot_be_stored_finds_nothing(self, store: Store, key: str) -> None:
        await store.commit(store.clients.add(client("c_5")))
        bad, good = await asyncio.gather(store.clients.get(key), store.clients.get("c_5"))
        assert bad is None
        assert good is not None
        assert await store.grants.live(key, "c_5") == []


class TestManyPointReads:
    BY_CLIENT = Select(t.GRANTS, columns="grants.id", where="grants.client_id = :client_id")

    async def test_each_gets_its_own_rows(self, store: Store) -> None:
        await store.commit(*(store.grants.add(grant(id=f"g{n}", client_id=f"c{n % 2}")) for n in range(5)))
        asked = [{"client_id": id_} for id_ in ("c1", "none", "c0", "c1")]
        found = await store.engine.each(self.BY_CLIENT, asked)
        assert [sorted(row["id"] for row in rows) for rows in found] == [
            ["g1", "g3"],
            [],
            ["g0", "g2", "g4"],
            ["g1", "g3"],
        ]
        assert list(await store.engine.each(self.BY_CLIENT, [])) == []

    async def test_those_that_wait_together_are_not_mixed_up(self, store: Store) -> None:
        await store.commit(*(store.grants.add(grant(id=f"g{n}", client_id=f"c{n}")) for n in range(5)))
        asked = [[{"client_id": f"c{n}"} for n in range(size)] for size in (0, 3, 1, 5)]
        found = await asyncio.gather(*(store.engine.each(self.BY_CLIENT, some) for some in asked))
        assert [[row["id"] for rows in some for row in rows] for some in found] == [
            [f"g{n}" for n in range(size)] for size in (0, 3, 1, 5)
        ]

    @pytest.mark.parametrize("odd", ["c0\0", "c0\0x", "\ud800", "\\u0000"])
    async def test_what_cannot_be_stored_spoils_no_other(self, store: Store, odd: str) -> None:
        await store.commit(store.grants.add(grant(id="g0", client_id="c0")))
        found = await store.engine.each(self.BY_CLIENT, [{"client_id": odd}, {"client_id": "c0"}])
        assert [len(rows) for rows in found] == [0, 1]


class TestUnderLoad:
    async def test_the_queue_is_bounded(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        writer = getattr(store.engine, "_writer", None)
        if store.engine.dialect == "postgresql":
            monkeypatch.setattr(writer, "_limit", 3)
        else:
            monkeypatch.setattr(store.engine, "_queue_limit", 3)
        outcomes = await asyncio.gather(
            *(store.commit(store.tokens.add(token())) for _ in range(2000)), return_exceptions=True
        )
        assert any(isinstance(o, Busy) for o in outcomes)
        assert all(isinstance(o, Busy | list) for o in outcomes)
        assert next(o.headers for o in outcomes if isinstance(o, Busy)) == {"Retry-After": "1"}

    async def test_reads_see_what_was_acknowledged(self, open_: Open) -> None:
        mine, theirs = await open_(), await open_()

        async def write_and_look(store: Store, other: Store) -> None:
            for _ in range(10):
                one = token()
                await store.commit(store.tokens.add(one))
                assert await store.tokens.held(one.hash) is not None
                assert await other.tokens.held(one.hash) is not None

        await asyncio.gather(*(write_and_look(*pair) for pair in [(mine, theirs), (theirs, mine)] * 3))

    async def test_the_chain_is_one_and_gapless_whoever_writes(self, open_: Open) -> None:
        stores = [await open_(), await open_()]
        await asyncio.gather(*(stores[i % 2].commit(events=(event(), event())) for i in range(100)))
        seen = [seq async for seq, _, _ in stores[0].trail.everything()]
        assert seen == list(range(1, 201))

    async def test_closing_writes_what_was_accepted(self, open_: Open) -> None:
        store = await open_()
        waiting = [
            asyncio.ensure_future(store.commit(store.tokens.add(token()), events=(event(),))) for _ in range(300)
        ]
        await asyncio.sleep(0)
        await store.close()
        await asyncio.gather(*waiting)
        with pytest.raises(Busy):
            await store.commit(store.tokens.add(token()))
        with pytest.raises(Busy):
            await store.tokens.held("x")
        with pytest.raises(Busy):
            await store.users.all()
        assert (await (await open_()).trail.verify()).count == 300

    async def test_a_caller_that_goes_away_harms_nobody(self, store: Store) -> None:
        async def write() -> None:
            await store.commit(store.tokens.add(token()), events=(event(),))

        async def read() -> None:
            await store.users.all()
            await store.tokens.held("x")

        tasks = [asyncio.create_task(work()) for _ in range(100) for work in (write, read)]
        for i, task in enumerate(tasks):
            if i % 3 == 0:
                await asyncio.sleep(0)
            if i % 2 == 0:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(store.users.all() for _ in range(8)), *(store.tokens.held("x") for _ in range(8)))
        await store.commit(store.tokens.add(token()))
        await store.trail.verify()


class TestWakes:
    async def test_they_reach_this_process_before_the_answer(self, store: Store) -> None:
        heard: list[str] = []
        store.engine.listen(heard.append)
        await store.commit(wakes=("approvals:a_1",))
        assert "approvals:a_1" in heard

    async def test_they_reach_other_processes(self, open_: Open) -> None:
        mine, theirs = await open_(), await open_()
        heard = asyncio.Event()
        theirs.engine.listen(lambda topic: heard.set() if topic in {"approvals:a_2", "*"} else None)
        await mine.commit(mine.once.burn("jti-2", LATER), wakes=("approvals:a_2",))
        await asyncio.wait_for(heard.wait(), 5)

    async def test_a_lost_units_wakes_are_told_for_its_first_steps_stay(self, store: Store) -> None:
        assert await store.clients.get("c_6") is None
        with pytest.raises(Lost):
            await store.commit(store.clients.put(client("c_6")), store.codes.take("nothing", NOW))
        assert await store.clients.get("c_6") is not None


@proves("storage.suspension-spreads")
class TestDirectories:
    async def test_they_forget_what_another_process_changed(self, open_: Open) -> None:
        mine, theirs = await open_(), await open_()
        await mine.commit(mine.clients.put(client("c_7")))
        assert await theirs.clients.get("c_7") is not None
        await mine.commit(mine.clients.put(client("c_7", state="suspended")))
        for _ in range(100):
            seen = await theirs.clients.get("c_7")
            if seen is not None and seen.state == "suspended":
                return
            await asyncio.sleep(0.02)
        pytest.fail("the other process still answers from its memory")

    async def test_they_answer_from_memory_otherwise(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        await store.commit(store.clients.put(client("c_8")))
        await asyncio.sleep(0.1)  # until our own wake has come back to us
        first = await store.clients.get("c_8")

        async def refuse(*_: object) -> None:
            raise AssertionError("read from the database")

        monkeypatch.setattr(store.engine, "one", refuse)
        assert await store.clients.get("c_8") is first

    async def test_they_are_not_trusted_while_wakes_do_not_arrive(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await store.commit(store.clients.put(client("c_9")))
        await store.clients.get("c_9")
        behind = Update(t.CLIENTS, set="state = :state", where="clients.id = :id")
        monkeypatch.setattr(type(store.engine), "hears", False)
        await store.commit(Step(behind, {"id": "c_9", "state": "suspended"}))
        seen = await store.clients.get("c_9")
        assert seen is not None
        assert seen.state == "suspended"
        monkeypatch.undo()

    async def test_a_wake_during_a_read_is_not_lost(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        await store.commit(store.clients.put(client("c_10")))
        real = store.engine.one

        async def slow(*arguments: object) -> object:
            row = await real(*arguments)  # type: ignore[arg-type]
            await store.commit(store.clients.put(client("c_10", state="suspended")))
            return row

        monkeypatch.setattr(store.engine, "one", slow)
        await store.clients.get("c_10")
        monkeypatch.undo()
        seen = await store.clients.get("c_10")
        assert seen is not None
        assert seen.state == "suspended"


async def test_a_store_left_open_does_not_outlive_its_loop(new_database: NewDatabase) -> None:
    """SQLite's writer is a thread, which nobody cancels: it notices by itself."""

    left: list[sqlite3.Connection] = []

    async def leave() -> None:
        engine: Any = (await open_store(new_database("sqlite"), MASTER, NOW)).engine
        left.extend((engine._reader, engine._lister, engine._writer))

    def writers() -> int:
        return sum(thread.name == "remit-sqlite-writer" for thread in threading.enumerate())

    before = writers()
    await asyncio.to_thread(asyncio.run, leave())
    for _ in range(100):
        if writers() <= before:
            for connection in left:
                connection.close()  # Python 3.13 warns of those that nobody closed
            return
        await asyncio.sleep(0.02)
    pytest.fail("the writer's thread is still there")


async def test_a_file_that_cannot_be_asked_for_news_stops_no_writer(
    new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite: whoever waits is answered, and when the file is back, caches are forgotten."""
    store = await open_store(new_database("sqlite"), MASTER, NOW)
    topics: list[str] = []
    store.engine.listen(topics.append)

    class Failing:
        def __init__(self, writer: sqlite3.Connection) -> None:
            self._writer = writer

        def __getattr__(self, name: str) -> object:
            return getattr(self._writer, name)

        def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
            if sql == "PRAGMA data_version":
                raise sqlite3.OperationalError("disk I/O error")
            return self._writer.execute(sql, *values)

    with monkeypatch.context() as broken:
        broken.setattr(store.engine, "_writer", Failing(store.engine._writer))  # type: ignore[attr-defined]
        async with asyncio.timeout(5):
            await store.commit(store.clients.put(client("c_1")))
            await store.commit(store.clients.put(client("c_2")))
    async with asyncio.timeout(5):
        while topics.count("*") < 2:
            await store.commit(store.clients.put(client("c_3")))
    await store.close()
