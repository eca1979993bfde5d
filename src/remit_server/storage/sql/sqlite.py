"""SQLite: one file, one writer thread, reads on the spot.

WAL with synchronous=FULL: a commit is on disk before anybody hears of it. Point reads run on the event loop, because
they take microseconds, less than a hop to a thread; listings go to a thread of their own.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec

from remit_server.storage.contract import Busy, Params, Row, Unit, Unstorable, Wake
from remit_server.storage.sql.batch import Rows, Work, play, wakes
from remit_server.storage.sql.chain import Head
from remit_server.storage.sql.dialect import sqlite_change, sqlite_each, sqlite_select
from remit_server.storage.sql.statements import Change, Insert, Select

Job = tuple[Work, "asyncio.Future[list[Row | None]]"]
LARGEST_BATCH: Final = 512
WATCH_SECONDS: Final = 0.25
"""How soon another process's writes are noticed."""
BUSY_SECONDS: Final = 5

AT_HAND: Final = 500
"""How many rows the event loop fetches by itself when it cannot know how many there are: about half a millisecond."""

NOTHING: Final[Row] = {}
"""A row that was changed, of which nothing was asked."""

UNSTORABLE: Final = (ValueError, OverflowError, sqlite3.DataError)
AWAY: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL,
    }
)  # fmt: skip
"""The file fails, not the request. Extended codes carry these in their lowest byte."""


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection with our pragmas; transactions are begun by hand. A new file is for its owner only."""
    if not read_only:
        path.touch(mode=0o600)
    mode = "ro" if read_only else "rw"
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
        timeout=BUSY_SECONDS,
    )
    connection.row_factory = sqlite3.Row
    if not read_only:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    return connection


_encode = msgspec.json.Encoder().encode


def _away(error: Exception) -> bool:
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in AWAY


class SqliteEngine:
    """See `storage.contract.Engine`."""

    dialect = "sqlite"
    hears = True

    def __init__(self, path: Path, *, queue_limit: int = 4096) -> None:
        self._writer = connect(path)
        self._reader = connect(path, read_only=True)
        self._lister = connect(path, read_only=True)
        self._listing = ThreadPoolExecutor(1, "remit-sqlite-lister")
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._queue_limit = queue_limit
        self._loop = asyncio.get_running_loop()
        self._wakes: list[Wake] = []
        self._closed = False
        self._left: Head | None = None
        self._thread = threading.Thread(target=self._write_forever, name="remit-sqlite-writer", daemon=True)
        self._thread.start()

    async def one(self, select: Select, params: Params) -> Row | None:
        rows = self._read(lambda: [self._reader.execute(sqlite_select(select), params).fetchone()])
        return rows[0] if rows else None

    async def few(self, select: Select, params: Params) -> Sequence[Row]:
        return self._read(lambda: self._reader.execute(sqlite_select(select), params).fetchall())

    async def each(self, select: Select, asked: Sequence[Params]) -> Sequence[Sequence[Row]]:
        try:
            text = _encode(asked).decode()
            alone = "\\u0000" in text  # SQLite's JSON may end a text there
        except UNSTORABLE:
            alone = True
        if alone:
            return [await self.few(select, params) for params in asked]
        sql, values = sqlite_each(select), {"asked": text}
        rows = self._read(lambda: self._reader.execute(sql, values).fetchmany(AT_HAND + 1))
        if len(rows) > AT_HAND:
            rows = await self._listed(sql, values)
        found: list[list[Row]] = [[] for _ in asked]
        for row in rows:
            found[row["p_row"]].append(row)
        return found

    async def many(self, select: Select, params: Params) -> Sequence[Row]:
        return await self._listed(sqlite_select(select), params)

    async def _listed(self, sql: str, values: Params) -> list[Any]:
        if self._closed:
            raise Busy("the store is closed")
        look = self._lister.execute
        return await self._loop.run_in_executor(self._listing, self._read, lambda: look(sql, values).fetchall())

    def _read(self, look: Callable[[], list[Any]]) -> list[Any]:
        if self._closed:
            raise Busy("the store is closed")
        try:
            return look()
        except UNSTORABLE:
            return []  # what cannot be stored is not there
        except sqlite3.Error as error:
            if _away(error):
                raise Busy(f"SQLite: {error}") from error
            raise

    async def commit(self, unit: Unit) -> list[Row | None]:
        if self._closed or self._queue.qsize() >= self._queue_limit:
            raise Busy("the write queue is full or closed")
        done: asyncio.Future[list[Row | None]] = self._loop.create_future()
        self._queue.put((Work(unit), done))
        return await done

    def listen(self, wake: Wake) -> None:
        self._wakes.append(wake)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self._listing.shutdown)
        for connection in (self._reader, self._lister, self._writer):
            connection.close()

    # the writer's thread

    def _write_forever(self) -> None:
        version = self._data_version()
        open_ = True
        while open_ and not self._loop.is_closed():
            jobs, open_ = self._gather()
            if jobs:
                self._write([work for work, _ in jobs])
            if (seen := self._data_version()) != version:
                version = seen
                open_ &= self._on_loop(self._tell, "*")
            if jobs:
                open_ &= self._on_loop(self._answer, jobs)

    def _on_loop(self, call: Callable[..., None], *arguments: Any) -> bool:
        """False when the loop is closed: the store was left open, and nobody waits any more."""
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:
            return False
        return True

    def _gather(self) -> tuple[list[Job], bool]:
        """What is waiting, at least one job or none within a moment; and whether more may come."""
        jobs: list[Job] = []
        try:
            job = self._queue.get(timeout=WATCH_SECONDS)
            while job is not None:
                jobs.append(job)
                if len(jobs) >= LARGEST_BATCH:
                    return jobs, True
                job = self._queue.get_nowait()
        except queue.Empty:
            return jobs, True
        return jobs, False

    def _write(self, works: Sequence[Work]) -> None:
        try:
            self._transact(works)
        except Exception as error:  # noqa: BLE001 - whatever it was, those who wait must hear of it
            if _away(error):
                for work in works:
                    work.error = Busy(f"SQLite: {error}")
            elif len(works) > 1:
                for work in works:  # one of them spoiled it for all: each alone, so that only the bad one fails
                    work.reset()
                    self._write([work])
            else:
                works[0].error = Unstorable(detail=str(error)) if isinstance(error, UNSTORABLE) else error

    def _transact(self, works: Sequence[Work]) -> None:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            script = play(works, self._left)
            rows: Rows | None = None
            try:
                while True:
                    statement, values = next(script) if rows is None else script.send(rows)
                    rows = self._change(statement, values)
            except StopIteration as end:
                left = end.value
            self._writer.execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise
        self._left = left

    def _change(self, statement: Change, values: Sequence[Params]) -> list[Row | None]:
        sql, execute = sqlite_change(statement), self._writer.execute
        if isinstance(statement, Insert):
            names = statement.names
            if statement.after and None in self._change(statement.after, values[-1:]):
                return [None] * len(values)
            return [NOTHING if execute(sql, [params[n] for n in names]).rowcount else None for params in values]
        if not statement.returning:
            return [NOTHING if execute(sql, params).rowcount else None for params in values]
        # fetchall, because a statement with RETURNING is only finished when it is read to its end
        return [(execute(sql, params).fetchall() or [None])[0] for params in values]

    def _data_version(self) -> int | None:
        """Changes when another process, such as `remit apply`, has written to the file; our own writes do not count. None when
        the file cannot be asked: that differs from every number, so nobody trusts a cache, and the thread goes on."""
        try:
            (version,) = self._writer.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            return None
        return int(version)

    # back on the event loop

    def _answer(self, jobs: Sequence[Job]) -> None:
        for topic in wakes([work for work, _ in jobs]):
            self._tell(topic)  # our own caches first: who is answered below may read at once
        for work, done in jobs:
            work.answer(done)

    def _tell(self, topic: str) -> None:
        for wake in self._wakes:
            wake(topic)
