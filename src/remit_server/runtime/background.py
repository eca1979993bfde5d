"""Work that nobody waits for: started by a request, ended with the server."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger("remit")


class Background:
    """Holds the tasks, since the event loop alone would let go of them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._whole: set[asyncio.Task[Any]] = set()
        self.leaving = asyncio.Event()
        """Set when the server has been told to stop: an answer that would go on for ever ends itself."""

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def hold(self, task: asyncio.Task[Any]) -> None:
        """A task that the server's end waits for and does not cut in half."""
        self._whole.add(task)
        task.add_done_callback(self._whole.discard)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("failed in the background", fault=str(type(error)), exc_info=error)

    async def finish(self) -> None:
        """Wait for all that runs now."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self.finish()
        await asyncio.gather(*self._whole, return_exceptions=True)
