"""Work that begins when it is announced, on every node: whatever it does it claims first, so that one of them does it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog

from remit_server.errors import RemitError
from remit_server.storage.contract import Engine

log = structlog.get_logger("remit")

EVERY: Final = 5.0
"""Seconds between two looks, when nothing wakes us: an announcement may be missed, and some work only falls due."""


class Woken:
    """Runs `run` when `topic` is announced, until it is closed. `run` answers how much it found to do; when that was `full`, it
    runs again at once."""

    def __init__(self, engine: Engine, topic: str, run: Callable[[], Awaitable[int]], *, full: int) -> None:
        self._topic, self._run, self._full = topic, run, full
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        engine.listen(self._hear)

    def _hear(self, topic: str) -> None:
        if topic in {self._topic, "*"}:
            self._woken.set()

    def start(self) -> None:
        self._task = asyncio.create_task(self._again_and_again())

    async def close(self) -> None:
        """What is under way is ended; it is found again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _again_and_again(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), EVERY)
            self._woken.clear()
            try:
                while await self._run() == self._full:
                    pass
            except (RemitError, OSError) as error:
                log.warning("woken work failed", topic=self._topic, fault=str(error))
            except Exception:
                log.exception("woken work failed", topic=self._topic)
