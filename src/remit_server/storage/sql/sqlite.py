"""SQLite: one file, one writer thread, reads on the spot.

WAL with synchronous=FULL: a commit is on disk before anybody hears of it. Point reads run on the event loop, because
they take microseconds, less than a hop to a thread; listings go to a thread.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from remit_server.storage.contract import Busy, Params, Row, Unit, Wake
from remit_server.storage.sql.batch import Work, play, wakes
from remit_server.storage.sql.dialect import sqlite_change, sqlite_select
from remit_server.storage.sql.statements import Select

Job = tuple[Work, "asyncio.Future[list[Row | None]]"]
LARGEST_BATCH: Final = 512
WATCH_SECONDS: Final = 0.25
"""How soon another process's writes are noticed."""


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection with our pragmas; transactions are begun by hand."""
    mode = "ro" if read_only else "rwc"
    connection = sqlite3.connect(
        f"file:{path}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False, cached_statements=512
    )
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA busy_timeout = 5000")
    if not read_only:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    return connection


class SqliteEngine:
    """See `storage.contract.Engine`."""

    dialect = "sqlite"
    hears = True

    def __init__(self, path: Path, *, queue_limit: int = 4096) -> None:
        self._writer = connect(path)
        self._reader = connect(path, read_only=True)
        self._lister = connect(path, read_only=True)
        self._listing = asyncio.Lock()
        self._queue: queue.Queue[Job | None] = queue.Queue()
        self._queue_limit = queue_limit
        self._loop = asyncio.get_running_loop()
        self._wakes: list[Wake] = []
        self._closed = False
        self._thread = threading.Thread(target=self._write_forever, name="remit-sqlite-writer", daemon=True)
        self._thread.start()

    async def one(self, select: Select, params: Params) -> Row | None:
        row: Row | None = self._reader.execute(sqlite_select(select), params).fetchone()
        return row

    async def many(self, select: Select, params: Params) -> Sequence[Row]:
        async with self._listing:
            return await asyncio.to_thread(lambda: self._lister.execute(sqlite_select(select), params).fetchall())

    async def commit(self, unit: Unit) -> list[Row | None]:
        if self._closed or self._queue.qsize() >= self._queue_limit:
            raise Busy("the write queue is full")
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
        for connection in (self._reader, self._lister, self._writer):
            connection.close()

    # the writer's thread

    def _write_forever(self) -> None:
        version = self._data_version()
        open_ = True
        while open_:
            jobs, open_ = self._gather()
            if jobs:
                self._write(jobs)
            if (seen := self._data_version()) != version:
                version = seen
                self._loop.call_soon_threadsafe(self._tell, "*")

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

    def _write(self, jobs: list[Job]) -> None:
        works = [work for work, _ in jobs]
        try:
            self._transact(works)
        except sqlite3.Error:
            for work in works:  # one of them spoiled it for all: each alone, so that only the bad one fails
                work.reset()
                try:
                    self._transact([work])
                except sqlite3.OperationalError as error:
                    work.error = Busy(f"SQLite: {error}")
                except sqlite3.Error as error:
                    work.error = error
        topics = wakes([work for work in works if work.error is None])
        self._loop.call_soon_threadsafe(self._answer, jobs, topics)

    def _transact(self, works: Sequence[Work]) -> None:
        connection = self._writer
        connection.execute("BEGIN IMMEDIATE")
        try:
            script = play(works)
            rows: Sequence[Row | None] | None = None
            try:
                while True:
                    statement, values = next(script) if rows is None else script.send(rows)
                    sql = sqlite_change(statement)
                    # fetchall, because a statement with RETURNING is only finished when it is read to its end
                    rows = [(connection.execute(sql, params).fetchall() or [None])[0] for params in values]
            except StopIteration:
                pass
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _data_version(self) -> int:
        """Changes when another process, such as `remit apply`, has written to the file; our own writes do not count."""
        (version,) = self._writer.execute("PRAGMA data_version").fetchone()
        return int(version)

    # back on the event loop

    def _answer(self, jobs: list[Job], topics: list[str]) -> None:
        for work, done in jobs:
            if done.done():
                continue
            if work.error or work.lost:
                done.set_exception(work.error or work.lost or AssertionError)
            else:
                done.set_result(work.rows)
        self._tell(*topics)

    def _tell(self, *topics: str) -> None:
        for topic in topics:
            for wake in self._wakes:
                wake(topic)
