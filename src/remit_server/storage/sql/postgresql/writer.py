"""The writing connection: whatever waits goes into one transaction, and is answered when that is on disk."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

import asyncpg

from remit_server.errors import IntegrityError
from remit_server.storage.contract import Busy, Params, Row, Unit, Unstorable
from remit_server.storage.sql import chain
from remit_server.storage.sql.batch import Rows, Work, one_statement, play, wakes
from remit_server.storage.sql.chain import Head
from remit_server.storage.sql.dialect import postgresql_change
from remit_server.storage.sql.postgresql.link import AWAY, UNSTORABLE, Link, as_json, connect, let_go, reconnect
from remit_server.storage.sql.statements import Change, Insert

CHANNEL: Final = "remit"
LARGEST_BATCH: Final = 256
PATIENCE: Final = 3
"""How often a unit is tried that another process's transaction keeps running into (deadlock, serialization)."""

Job = tuple[Work, "asyncio.Future[list[Row | None]]"]


class Writer:
    def __init__(self, url: str, tell: Callable[[str], None], queue_limit: int) -> None:
        self._url = url
        self._tell = tell
        self._limit = queue_limit
        self._queue: deque[Job] = deque()
        self._filled = asyncio.Event()
        self._closed = False
        self._link: Link = None
        self._left: Head | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self._link = await connect(self._url)
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Write what is waiting, then let go."""
        self._closed = True
        self._filled.set()
        if self._task is not None:
            await self._task
            await let_go(self._link)

    async def commit(self, unit: Unit) -> list[Row | None]:
        if self._closed or len(self._queue) >= self._limit:
            raise Busy("the write queue is full or closed")
        done: asyncio.Future[list[Row | None]] = asyncio.get_running_loop().create_future()
        self._queue.append((Work(unit), done))
        self._filled.set()
        return await done

    async def _run(self) -> None:
        while not self._closed or self._queue:
            if not self._queue:
                self._filled.clear()
                await self._filled.wait()
                continue
            if self._link.is_closed():
                await self._reconnect()
            await asyncio.sleep(0)  # requests that arrive in the same turn of the loop go in the same transaction
            jobs = [self._queue.popleft() for _ in range(min(len(self._queue), LARGEST_BATCH))]
            works = [work for work, _ in jobs]
            try:
                await self._write(works)
            except asyncio.CancelledError:  # the loop is being torn down without `close`
                for _, done in (*jobs, *self._queue):
                    done.cancel()
                raise
            for topic in wakes(works):
                self._tell(topic)  # our own caches first: who is answered below may read at once
            for work, done in jobs:
                work.answer(done)

    async def _write(self, works: list[Work], patience: int = PATIENCE) -> None:
        try:
            await self._transact(works)
        except Exception as error:  # noqa: BLE001 - whatever it was, those who wait must hear of it
            spoiled = isinstance(error, UNSTORABLE)
            if not spoiled and (isinstance(error, AWAY) or self._link.is_closed()):
                self._link.terminate()
                for work in works:
                    work.error = Busy(f"PostgreSQL: {error}")
            elif len(works) > 1:
                for work in works:  # one of them spoiled it for all: each alone, so that only the bad one fails
                    work.reset()
                    await self._write([work])
            elif isinstance(error, asyncpg.TransactionRollbackError) and patience > 1:
                works[0].reset()
                await self._write(works, patience - 1)
            elif isinstance(error, asyncpg.TransactionRollbackError):
                works[0].error = Busy(f"PostgreSQL: {error}")
            else:
                works[0].error = Unstorable(detail=str(error)) if spoiled else error

    async def _transact(self, works: list[Work]) -> None:
        execute = self._link.execute
        alone = one_statement(works)
        try:
            script = play(works, self._left)
            rows: Rows | None = None
            try:
                while True:
                    statement, values = next(script) if rows is None else script.send(rows)
                    # One statement is a transaction by itself, and two round trips fewer.
                    if not alone and not self._link.is_in_transaction():
                        await execute("BEGIN")
                    rows = await self._change(statement, values)
                    alone = False  # if more follows, this one changed nothing: the head was elsewhere
            except StopIteration as end:
                left = end.value
            if topics := wakes(works):
                await execute("SELECT pg_notify($1, topic) FROM unnest($2::text[]) AS topic", CHANNEL, topics)
            if self._link.is_in_transaction():
                # Where more is waiting, its transaction begins in the same round trip.
                goes_on = self._queue and not one_statement([work for work, _ in self._queue])
                await execute("COMMIT AND CHAIN" if goes_on else "COMMIT")
        except BaseException:
            if not self._link.is_closed() and self._link.is_in_transaction():
                await execute("ROLLBACK")
            raise
        self._left = left

    async def _change(self, statement: Change, values: list[Params]) -> Rows:
        """Change many rows with one statement, to the effect of one after another."""
        rows: list[Row | None] = [None] * len(values)
        target = [tuple(params[name] for name in statement.target) for params in values]
        # Sorted, so that processes that write the same rows wait for each other instead of crosswise.
        waiting = sorted(range(len(values)), key=lambda i: list(map(str, target[i])))
        while waiting:
            asking = waiting
            if isinstance(statement, Insert):  # it may meet a key once
                asking = list({target[i]: i for i in reversed(waiting)}.values())
            back = await self._fetch(statement, [values[i] for i in asking])
            hit = set()
            for n, row in back:
                if rows[asking[n]] is None:
                    rows[asking[n]] = row
                hit.add(target[asking[n]])
            if isinstance(statement, Insert) and statement.conflict == "lose":
                break  # of two inserts with one key the first has it
            # An update meets a row once, though several of these meant it: those ask again, after the first.
            waiting = [i for i in waiting if rows[i] is None and target[i] in hit]
        return rows

    async def _fetch(self, statement: Change, values: list[Params]) -> list[tuple[int, Row]]:
        """The rows that came back, each with the position of the request that it answers."""
        try:
            back = await self._link.fetch(postgresql_change(statement), as_json(values))
        except asyncpg.UniqueViolationError as error:
            if statement is chain.ADD:
                raise IntegrityError(chain.UNLINKED) from error
            raise
        if not isinstance(statement, Insert):
            return [(row["p_row"] - 1, row) for row in back]
        key = statement.table.key
        position = {tuple(params[name] for name in key): n for n, params in enumerate(values)}
        return [(position[tuple(row[name] for name in key)], row) for row in back]

    async def _reconnect(self) -> None:
        """Meanwhile nobody waits for a database that is away."""
        link = await reconnect(self._url, wanted=lambda: not self._closed, failed=self._fail_waiting)
        if link is None:
            self._fail_waiting()
        else:
            self._link = link

    def _fail_waiting(self) -> None:
        waiting, self._queue = self._queue, deque()
        for work, done in waiting:
            work.error = Busy("PostgreSQL is away")
            work.answer(done)
