"""What only PostgreSQL can do to us: end connections, refuse, deadlock, plan badly."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from itertools import count

import asyncpg
import pytest
from tests.fixtures.databases import execute
from tests.ledger import proves
from tests.storage.conftest import MASTER, NOW
from tests.storage.samples import LATER, client, code, event, token

from remit_server.storage.contract import Busy, Lost, Step
from remit_server.storage.groups import agreements, approvals, connections, lendings, people
from remit_server.storage.open import open_store
from remit_server.storage.sql import chain
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.dialect import postgresql_change, postgresql_point
from remit_server.storage.sql.postgresql.link import connect
from remit_server.storage.sql.statements import Insert, Select, Update
from remit_server.storage.store import Store

END_ALL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE application_name = 'remit' AND datname = current_database()"
)


async def until_back(store: Store) -> None:
    """Until writing, reading and listing work again, but not for long."""
    for _ in range(100):
        try:
            await store.commit(store.tokens.add(token()))
            await asyncio.gather(
                *(store.tokens.held(str(i)) for i in range(9)), *(store.clients.all() for _ in range(9))
            )
        except Busy:
            await asyncio.sleep(0.1)
        else:
            return
    pytest.fail("the database is back, and not used")


@pytest.fixture
async def store(postgresql_url: str) -> AsyncIterator[Store]:
    store = await open_store(postgresql_url, MASTER, NOW)
    yield store
    await store.close()


@proves("storage.away-is-said-at-once")
class TestLostConnections:
    async def test_requests_succeed_or_get_busy_and_later_ones_succeed(self, store: Store, postgresql_url: str) -> None:
        outcomes: list[object] = []
        done: list[str] = []
        stop = asyncio.Event()

        async def work(name: int) -> None:
            for n in count():
                if stop.is_set():
                    return
                one = token(hash=f"{name}-{n}")
                try:
                    await store.commit(store.tokens.add(one), events=(event(subject=one.hash),))
                    done.append(one.hash)
                    assert await store.tokens.held(one.hash) is not None
                    await store.clients.all()
                except Busy as error:
                    outcomes.append(error)
                    await asyncio.sleep(0.01)

        workers = [asyncio.create_task(work(i)) for i in range(20)]
        for _ in range(3):
            await asyncio.sleep(0.3)
            await asyncio.to_thread(execute, postgresql_url, END_ALL)
        await until_back(store)
        outcomes.clear()
        done_before = len(done)
        await asyncio.sleep(0.3)
        stop.set()
        await asyncio.gather(*workers)
        assert outcomes == []
        assert len(done) > done_before
        told = {event.subject async for _, event, _ in store.trail.everything()}
        assert set(done) <= told

    async def test_caches_are_cleared_and_trusted_again(self, store: Store, postgresql_url: str) -> None:
        await store.commit(store.clients.put(client()))
        await store.clients.get("c_1")
        assert store.engine.hears
        await asyncio.to_thread(execute, postgresql_url, END_ALL, "UPDATE clients SET state = 'suspended'")
        for _ in range(200):
            with contextlib.suppress(Busy):
                seen = await store.clients.get("c_1")
                if seen is not None and seen.state == "suspended" and store.engine.hears:
                    return
            await asyncio.sleep(0.02)
        pytest.fail("the cache outlived the connection that kept it true")

    async def test_a_database_that_is_away_is_said_at_once(self, store: Store, postgresql_url: str) -> None:
        name = postgresql_url.partition("?")[0].rpartition("/")[2]
        server = postgresql_url.replace(f"/{name}", "/postgres")
        await asyncio.to_thread(execute, server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await asyncio.to_thread(
            execute, server, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )
        try:
            for _ in range(3):
                for ask in (store.commit(store.tokens.add(token())), store.tokens.held("x"), store.clients.all()):
                    with pytest.raises(Busy):
                        await asyncio.wait_for(ask, 3)
        finally:
            await asyncio.to_thread(execute, server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await until_back(store)


class TestLocks:
    async def test_a_deadlock_is_tried_again(self, store: Store, postgresql_url: str) -> None:
        """Another transaction holds b and wants a while our batch holds a and wants b."""
        a, b = code(hash="a"), code(hash="b")
        await store.commit(store.codes.add(a), store.codes.add(b))
        other = await asyncpg.connect(postgresql_url)
        try:
            await other.execute("SET deadlock_timeout = '10s'")  # so that it is ours that is told to give way
            await other.execute("BEGIN")
            await other.execute("UPDATE codes SET expires_at = expires_at WHERE hash = 'b'")
            ours = asyncio.create_task(
                store.commit(store.codes.take("a", NOW), store.codes.take("b", NOW), events=(event(),))
            )
            await asyncio.sleep(0.3)
            await other.execute("UPDATE codes SET expires_at = expires_at WHERE hash = 'a'")
            await other.execute("COMMIT")
            await ours
        finally:
            await other.close()
        assert (await store.trail.verify()).count == 1

    async def test_a_lock_that_is_not_given_back_is_busy(self, store: Store, postgresql_url: str) -> None:
        await store.commit(store.codes.add(code(hash="held")))
        await store.engine._writer._link.execute("SET lock_timeout = '200ms'")  # type: ignore[attr-defined]
        other = await asyncpg.connect(postgresql_url)
        try:
            await other.execute("BEGIN")
            await other.execute("UPDATE codes SET expires_at = expires_at WHERE hash = 'held'")
            with pytest.raises(Busy):
                await store.commit(store.codes.take("held", NOW))
            await store.commit(store.codes.add(code()))
            await other.execute("ROLLBACK")
        finally:
            await other.close()
        await store.commit(store.codes.take("held", NOW))


async def test_a_server_that_is_set_to_lose_commits_is_overruled(postgresql_url: str) -> None:
    name = postgresql_url.partition("?")[0].rpartition("/")[2]
    execute(
        postgresql_url,
        f"ALTER DATABASE {name} SET synchronous_commit = off",
        f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'",
    )
    link = await connect(postgresql_url)
    assert await link.fetchval("SHOW synchronous_commit") == "on"
    assert await link.fetchval("SHOW transaction_isolation") == "read committed"
    await link.close()


HOT = {
    "tokens.held": agreements.Tokens._HELD,
    "tokens.renewable": agreements.Tokens._RENEWABLE,
    "tokens.rotate": agreements.Tokens._ROTATE,
    "tokens.revoke": agreements.Tokens._REVOKE,
    "grants.get": agreements.Grants._GET,
    "grants.revoke": agreements.Grants._REVOKE,
    "grants.revoke_session": agreements.Grants._REVOKE_SESSION,
    "codes.get": agreements.Codes._GET,
    "codes.take": agreements.Codes._TAKE,
    "pushed_requests.take": agreements.PushedRequests._TAKE,
    "once.attempt": agreements.Once._MORE,
    "approvals.by_handle": approvals.Approvals._BY_HANDLE,
    "approvals.poll": approvals.Approvals._POLL,
    "approvals.take": approvals.Approvals._TAKE,
    "accounts.get": connections.ConnectedAccounts._GET,
    "lendings.asked": lendings.Lendings._ASKED,
    "lendings.use": lendings.Lendings._USE,
    "accounts.touch": connections.ConnectedAccounts._TOUCH,
    "accounts.lease": connections.ConnectedAccounts._LEASE,
    "sessions.get": people.Sessions._GET,
    "users.by_email": people.Users._BY_EMAIL,
    "users.by_upstream": people.Users._BY_UPSTREAM,
    "chain.take_head": chain.TAKE_HEAD,
}


@proves("storage.lookups-by-index")
@pytest.mark.parametrize("filled", ["empty", "large, never analysed"])
async def test_hot_statements_look_up_by_index(postgresql_url: str, filled: str) -> None:
    """A plan made while a table was empty stays; it must be the one that a large table needs."""
    store = await open_store(postgresql_url, MASTER, NOW)
    await store.close()
    if filled != "empty":
        execute(
            postgresql_url,
            "ALTER TABLE tokens SET (autovacuum_enabled = false)",
            "INSERT INTO tokens (hash, kind, client_id, expires_at, body) "
            "SELECT md5(i::text), 'access', 'c', 1, '{}' FROM generate_series(1, 20000) AS i",
        )
    link = await connect(postgresql_url)
    scanned = {}
    for name, statement in HOT.items():
        sql = postgresql_point(statement) if isinstance(statement, Select) else postgresql_change(statement)
        await link.execute(f"PREPARE hot AS {sql}")
        plan = "\n".join(row[0] for row in await link.fetch("EXPLAIN EXECUTE hot('[]')"))
        await link.execute("DEALLOCATE hot")
        if "Seq Scan" in plan or "Hash Join" in plan or "Merge Join" in plan:
            scanned[name] = plan
    await link.close()
    assert scanned == {}


async def test_an_update_that_means_one_row_twice_is_played_one_after_another(store: Store) -> None:
    await store.commit(
        store.once.burn("x", LATER), Step(Insert(t.ATTEMPTS), {"key": "k", "count": 0, "expires_at": LATER})
    )
    more = Update(t.ATTEMPTS, set="count = count + 1", where="attempts.key = :key AND count < 3", returning=("count",))
    outcomes = await asyncio.gather(
        *(store.commit(Step(more, {"key": "k"})) for _ in range(10)), return_exceptions=True
    )
    assert sorted(o[0]["count"] for o in outcomes if not isinstance(o, BaseException) and o[0]) == [1, 2, 3]
    assert sum(isinstance(o, Lost) for o in outcomes) == 7


async def test_what_is_one_statement_is_one_round_trip(store: Store) -> None:
    """It is a transaction by itself; anything more is held together by BEGIN and COMMIT."""
    said: list[str] = []

    async def asked_by(*steps: Step, **more: tuple[object, ...]) -> list[str]:
        said.clear()
        await store.commit(*steps, **more)  # type: ignore[arg-type]
        return [text.split()[0] for text in said]

    link = store.engine._writer._link  # type: ignore[attr-defined]
    await store.commit(events=(event(),))  # from now on it knows where the chain ends
    link.add_query_logger(lambda record: said.append(record.query))
    together = ["BEGIN", "INSERT", "WITH", "COMMIT"]
    assert await asked_by(events=(event(), event())) == ["WITH"]
    assert await asked_by(store.tokens.add(token())) == ["INSERT"]
    assert await asked_by(store.tokens.add(token()), events=(event(),)) == together
    assert (await asked_by(store.tokens.add(token()), wakes=("x",)))[0] == "BEGIN"
    assert await asked_by(store.tokens.add(token()), store.tokens.add(token())) == [
        "BEGIN",
        "INSERT",
        "INSERT",
        "COMMIT",
    ]


async def test_an_event_alone_finds_the_head_that_another_process_moved(store: Store, postgresql_url: str) -> None:
    other = await open_store(postgresql_url, MASTER, NOW)
    for _ in range(3):
        await asyncio.gather(*(each.commit(events=(event(),)) for each in (store, other) for _ in range(5)))
    await other.close()
    assert (await store.trail.verify()).count == 30
