"""PostgreSQL: one writing connection, a few reading ones, one that listens.

Requests that read the same statement while the readers are busy are answered by one query; requests that write share a
transaction (`batch`). So the number of round trips follows the number of batches, not of requests.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from remit_server.storage.contract import Busy, Params, Row, Unit, Wake
from remit_server.storage.sql.batch import Work, play, wakes
from remit_server.storage.sql.dialect import postgresql_change, postgresql_point, postgresql_select
from remit_server.storage.sql.statements import Change, Insert, Select

Future = asyncio.Future[Any]
CHANNEL: Final = "remit"
LARGEST_BATCH: Final = 256
READERS: Final = 3
RECONNECT_SECONDS: Final = 0.5

AWAY = (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError)


async def connect(url: str) -> Any:
    """A connection with our settings. Statements stay prepared; plans for arrays do not profit from JIT."""
    return await asyncpg.connect(
        url,
        statement_cache_size=1024,
        max_cached_statement_lifetime=0,
        command_timeout=30,
        server_settings={"application_name": "remit", "jit": "off", "timezone": "UTC"},
    )


class PostgresEngine:
    """See `storage.contract.Engine`."""

    dialect = "postgresql"
    hears = False

    def __init__(self, url: str, *, queue_limit: int = 4096) -> None:
        self._url = url
        self._queue_limit = queue_limit
        self._queue: deque[tuple[Work, Future]] = deque()
        self._filled = asyncio.Event()
        self._reads: dict[Select, list[tuple[Params, Future]]] = {}
        self._idle: list[Any] = []
        self._flushing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._wakes: list[Wake] = []
        self._listing = asyncio.Semaphore(2)
        self._closed = False

    @classmethod
    async def open(cls, url: str, *, queue_limit: int = 4096) -> PostgresEngine:
        engine = cls(url, queue_limit=queue_limit)
        engine._idle = [await connect(url) for _ in range(READERS)]
        engine._writer = await connect(url)
        engine._listener = engine._spawn(engine._listen_forever())
        engine._writing = asyncio.create_task(engine._write_forever())
        return engine

    _writer: Any
    _writing: asyncio.Task[None]
    _listener: asyncio.Task[None]

    def _spawn(self, coroutine: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # reading

    async def one(self, select: Select, params: Params) -> Row | None:
        answer: Future = asyncio.get_running_loop().create_future()
        self._reads.setdefault(select, []).append((params, answer))
        if not self._flushing:
            # Not at once: requests that arrive in the same turn of the loop go in the same query.
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)
        row: Row | None = await answer
        return row

    def _flush(self) -> None:
        self._flushing = False
        while self._reads and self._idle:
            select = next(iter(self._reads))
            self._spawn(self._read(self._idle.pop(), select, self._reads.pop(select)))

    async def _read(self, connection: Any, select: Select, asked: list[tuple[Params, Future]]) -> None:
        try:
            values = [[params[name] for params, _ in asked] for name in select.names]
            found: dict[int, Row] = {}
            for row in await connection.fetch(postgresql_point(select), *values):
                found.setdefault(row["p_row"], row)
            for i, (_, answer) in enumerate(asked, 1):
                if not answer.done():
                    answer.set_result(found.get(i))
        except Exception as error:  # noqa: BLE001 - whatever it was, those who asked must hear of it
            fault = Busy(f"PostgreSQL: {error}") if isinstance(error, AWAY) else error
            for _, answer in asked:
                if not answer.done():
                    answer.set_exception(fault)
        finally:
            connection = await self._mended(connection)
            self._idle.append(connection)
            self._flush()

    async def many(self, select: Select, params: Params) -> Sequence[Row]:
        async with self._listing:
            while not self._idle:
                await asyncio.sleep(0.001)
            connection = self._idle.pop()
            try:
                rows: Sequence[Row] = await connection.fetch(
                    postgresql_select(select), *(params[name] for name in select.names)
                )
                return rows
            except AWAY as error:
                raise Busy(f"PostgreSQL: {error}") from error
            finally:
                self._idle.append(await self._mended(connection))
                self._flush()

    async def _mended(self, connection: Any) -> Any:
        while connection.is_closed() and not self._closed:
            try:
                return await connect(self._url)
            except (OSError, asyncpg.PostgresError):
                self._fail_waiting()
                await asyncio.sleep(RECONNECT_SECONDS)
        return connection

    def _fail_waiting(self) -> None:
        """Nobody waits for a database that is away: whoever asked gets 503 now."""
        waiting, self._reads = self._reads, {}
        for asked in waiting.values():
            for _, answer in asked:
                if not answer.done():
                    answer.set_exception(Busy("PostgreSQL is away"))

    # writing

    async def commit(self, unit: Unit) -> list[Row | None]:
        if self._closed or len(self._queue) >= self._queue_limit:
            raise Busy("the write queue is full")
        done: Future = asyncio.get_running_loop().create_future()
        self._queue.append((Work(unit), done))
        self._filled.set()
        rows: list[Row | None] = await done
        return rows

    async def _write_forever(self) -> None:
        while not self._closed or self._queue:
            if not self._queue:
                self._filled.clear()
                await self._filled.wait()
                continue
            jobs = [self._queue.popleft() for _ in range(min(len(self._queue), LARGEST_BATCH))]
            works = [work for work, _ in jobs]
            await self._write(works)
            for topic in wakes([work for work in works if work.error is None]):
                self._tell(topic)  # our own caches first: who is answered below may read at once
            for work, done in jobs:
                if done.done():
                    continue
                if work.error or work.lost:
                    done.set_exception(work.error or work.lost or AssertionError)
                else:
                    done.set_result(work.rows)

    async def _write(self, works: list[Work]) -> None:
        try:
            await self._transact(works)
        except AWAY as error:
            # Whether the commit arrived is unknown; every unit is safe to ask for again, because what decides is "once".
            for work in works:
                work.error = Busy(f"PostgreSQL: {error}")
            self._writer = await self._mended(self._writer)
        except asyncpg.PostgresError as error:
            if len(works) == 1:
                works[0].error = error
                return
            for work in works:  # one of them spoiled it for all: each alone, so that only the bad one fails
                work.reset()
                await self._write([work])

    async def _transact(self, works: list[Work]) -> None:
        connection = self._writer
        await connection.execute("BEGIN")
        try:
            script = play(works)
            rows: Sequence[Row | None] | None = None
            try:
                while True:
                    statement, values = next(script) if rows is None else script.send(rows)
                    rows = await self._change(connection, statement, values)
            except StopIteration:
                pass
            if topics := wakes(works):
                await connection.execute("SELECT pg_notify($1, topic) FROM unnest($2::text[]) AS topic", CHANNEL, topics)
            await connection.execute("COMMIT")
        except BaseException:
            if not connection.is_closed():
                await connection.execute("ROLLBACK")
            raise

    async def _change(self, connection: Any, statement: Change, values: list[Params]) -> Sequence[Row | None]:
        columns = [[params[name] for params in values] for name in statement.names]
        back = await connection.fetch(postgresql_change(statement), *columns)
        if not isinstance(statement, Insert):
            found: dict[int, Row] = {}
            for row in back:
                found.setdefault(row["p_row"], row)
            return [found.get(i) for i in range(1, len(values) + 1)]
        # An insert answers by key. Of two equal keys in one batch one row was added: the first who asked has it.
        key = statement.table.key
        added = {tuple(row[name] for name in key): row for row in back}
        return [added.pop(tuple(params[name] for name in key), None) for params in values]

    # hearing of others

    def listen(self, wake: Wake) -> None:
        self._wakes.append(wake)

    def _tell(self, topic: str) -> None:
        for wake in self._wakes:
            wake(topic)

    async def _listen_forever(self) -> None:
        while not self._closed:
            try:
                connection = await connect(self._url)
                gone = asyncio.Event()
                connection.add_termination_listener(lambda _, gone=gone: gone.set())
                await connection.add_listener(CHANNEL, lambda *heard: self._tell(heard[3]))
                self._tell("*")  # whatever was said while nobody listened
                self.hears = True
                try:
                    await gone.wait()
                finally:
                    self.hears = False
                    await connection.close(timeout=2)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                pass
            self._tell("*")
            await asyncio.sleep(RECONNECT_SECONDS)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._filled.set()
        await self._writing
        self._listener.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in (self._writer, *self._idle):
            await connection.close(timeout=2)
