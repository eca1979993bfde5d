"""Things that may happen once: a place that remembers them, until they could not happen anyway."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path
from typing import Protocol

from .errors import Unavailable


class Seen(Exception):
    """It has happened before."""


class ReplayStore(Protocol):
    """Remembers proof ids and spent approvals.

    ``take`` is one atomic step: of any number of callers with the same key exactly one returns, and the others get ``Seen``.
    Keys are kept at least until ``until``. A store that cannot tell raises ``Unavailable``, never lets pass.
    """

    async def take(self, key: str, *, until: int, now: int) -> None:
        """Take the key, which is at most 200 characters of ASCII; times are Unix seconds.

        Raises:
            Seen: somebody took it before.
            Unavailable: it cannot be told.
        """
        ...


class MemoryReplayStore:
    """For one process. It forgets on restart, and refuses when full rather than forget early."""

    def __init__(self, capacity: int = 200_000) -> None:
        self._capacity = capacity
        self._taken: dict[str, int] = {}
        self._swept_at = 0

    async def take(self, key: str, *, until: int, now: int) -> None:
        """See ``ReplayStore``. Nothing is awaited between look and note, so no other task comes between."""
        if now - self._swept_at >= 30 or len(self._taken) >= self._capacity:
            self._swept_at = now
            self._taken = {taken: end for taken, end in self._taken.items() if end >= now}
        if key in self._taken:
            raise Seen
        if len(self._taken) >= self._capacity:
            raise Unavailable("the replay store is full")
        self._taken[key] = until


class SQLiteReplayStore:
    """For the processes of one machine, and across restarts: what was spent stays spent, even after a power cut."""

    def __init__(self, path: str | Path) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS taken (key TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID, STRICT"
        )
        self._database.execute("CREATE INDEX IF NOT EXISTS taken_until ON taken (until)")

    async def take(self, key: str, *, until: int, now: int) -> None:
        """See ``ReplayStore``. The primary key decides the race, within the process and between processes."""
        await asyncio.to_thread(self._take, key, until, now)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _take(self, key: str, until: int, now: int) -> None:
        try:
            with self._lock:
                self._database.execute("DELETE FROM taken WHERE until < ?", (now,))
                self._database.execute("INSERT INTO taken (key, until) VALUES (?, ?)", (key, until))
        except sqlite3.IntegrityError:
            raise Seen from None
        except sqlite3.Error as cause:
            raise Unavailable("the replay store cannot be written") from cause
