"""The same API for code without an event loop: every call runs on one loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class Sync:
    """Runs what the client offers, and waits: ``me = client.sync(client.on_behalf_of(token))``.

    Nothing is written twice: whatever can be awaited can be passed, with its types. Many threads may call at once. The
    client then belongs to this object's loop; do not await it elsewhere too.
    """

    def __init__(self) -> None:
        self._start = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __call__(self, awaitable: Awaitable[T], /) -> T:
        """Wait for the result.

        Raises:
            RuntimeError: there is a running event loop in this thread, which this would block. Await instead.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            if asyncio.iscoroutine(awaitable):
                awaitable.close()
            raise RuntimeError("there is an event loop here already: await instead of client.sync")

        async def wait() -> T:
            return await awaitable

        future = asyncio.run_coroutine_threadsafe(wait(), self._running())
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C here must not leave the work going on there; of no effect once it is done
            raise

    def close(self) -> None:
        """Stop the thread."""
        with self._start:
            if self._loop is not None and self._thread is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join()
                self._loop.close()
            self._loop = self._thread = None

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._start:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="remit-sync", daemon=True)
                self._thread.start()
            return self._loop
