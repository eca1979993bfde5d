"""The listening connection: wakes of other processes, and knowing when they do not arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import asyncpg

from remit_server.storage.sql.postgresql.link import AWAY, RETRY_SECONDS, connect, let_go
from remit_server.storage.sql.postgresql.writer import CHANNEL

PING_SECONDS: Final = 3.0
"""A way that is cut in silence is noticed this soon, and the answer's time later."""


class Listener:
    def __init__(self, url: str, tell: Callable[[str], None]) -> None:
        self._url = url
        self._tell = tell
        self._task: asyncio.Task[None] | None = None
        self._told = asyncio.Event()
        self.hears = False

    async def open(self) -> None:
        self._task = asyncio.create_task(self._run())
        await self._told.wait()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
            except (*AWAY, asyncpg.PostgresError):
                pass
            finally:
                self.hears = False
                self._told.set()
            self._tell("*")
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self) -> None:
        """Until the connection is gone."""
        link = await connect(self._url)
        try:
            gone = asyncio.Event()
            link.add_termination_listener(lambda _: gone.set())
            await link.add_listener(CHANNEL, self._heard)
            self._tell("*")  # whatever was said while nobody listened
            self.hears = True
            self._told.set()
            while not gone.is_set():
                try:
                    await asyncio.wait_for(gone.wait(), PING_SECONDS)
                except TimeoutError:
                    await link.execute("SELECT 1", timeout=PING_SECONDS)
        finally:
            await let_go(link)

    def _heard(self, *message: Any) -> None:
        _link, _pid, _channel, topic = message
        self._tell(topic)
