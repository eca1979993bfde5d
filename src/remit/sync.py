"""The same API for code without an event loop: every call runs on one loop, in a thread of its own unless there is one already."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")

_PATIENCE = 10.0
"""Seconds in which a loop of somebody else's has to begin."""


class Sync:
    """Runs what the client offers, and waits: ``me = client.sync(client.on_behalf_of(token))``.

    Nothing is written twice: whatever can be awaited can be passed, with its types. Many threads may call at once. A client
    that an event loop uses already is served by that one, so a worker thread of an async program may call, too; any other
    then belongs to this object's loop, and is not to be awaited elsewhere.

    Args:
        joined: the loop that the client belongs to, if there is one.
    """

    def __init__(self, joined: Callable[[], asyncio.AbstractEventLoop | None] = lambda: None) -> None:
        self._joined = joined
        self._start = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __call__(self, awaitable: Awaitable[T], /) -> T:
        """Wait for the result.

        Raises:
            RuntimeError: there is a running event loop in this thread, which this would block, or the client's is blocked.
                Await instead.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            raise _refusal(awaitable, "there is an event loop here already")
        begun = Future[None]()

        async def wait() -> T:
            if not begun.set_running_or_notify_cancel():
                raise asyncio.CancelledError  # given up below
            begun.set_result(None)
            return await awaitable

        future = asyncio.run_coroutine_threadsafe(wait(), self._running())
        try:
            try:
                begun.result(_PATIENCE)
            except TimeoutError:
                if begun.cancel():  # somebody waits for this thread in the loop's own, and would for ever
                    raise _refusal(awaitable, "the event loop of this client is blocked") from None
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C here must not leave the work going on there; of no effect once it is done
            raise

    def close(self) -> None:
        """Stop the thread. Calls that other threads still wait for are cancelled, and hear so."""
        with self._start:
            if self._loop is not None and self._thread is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join()
            self._loop = self._thread = None

    def _running(self) -> asyncio.AbstractEventLoop:
        joined = self._joined()
        if joined is not None and joined.is_running():
            return joined
        with self._start:
            if self._loop is None:
                runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
                self._loop = runner.get_loop()
                self._thread = threading.Thread(target=_serve, args=(runner,), name="remit-sync", daemon=True)
                self._thread.start()
            return self._loop


def _serve(runner: asyncio.Runner) -> None:
    with runner:  # which ends what is under way when the loop stops
        runner.get_loop().run_forever()


def _refusal(awaitable: Awaitable[object], why: str) -> RuntimeError:
    if asyncio.iscoroutine(awaitable):
        awaitable.close()
    return RuntimeError(f"{why}: await instead of client.sync")
