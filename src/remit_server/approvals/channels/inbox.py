"""The live inbox: what happens to a person's requests, told to the pages that they have open.

The stream is the person's part of the trail since a number, so a page that comes back after a cut misses nothing. A commit on any
node wakes it; what it sends, it reads.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from remit_server.errors import TooManyRequests
from remit_server.records import Event
from remit_server.runtime.machines import Machines

MOST: Final = 8
"""Open streams a person, on one node."""
HEARTBEAT: Final = 15.0
"""Seconds. Proxies close what is silent, and a session that has run out is noticed this soon."""
LONGEST: Final = 3600.0
"""Seconds; then the page comes again."""
TOLD: Final = frozenset(
    {
        "approval.asked", "approval.question", "approval.answered_question", "approval.approved", "approval.denied",
        "approval.expired",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """An open stream: whose it is, and what wakes it."""

    user_id: str
    woken: asyncio.Event


class Inbox:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        self._open: defaultdict[str, list[asyncio.Event]] = defaultdict(list)
        machines.store.engine.listen(self._hear)

    def _hear(self, topic: str) -> None:
        kind, _, user_id = topic.partition(":")
        if kind == "inbox":
            for woken in self._open.get(user_id, ()):
                woken.set()
        elif topic == "*":
            for each in self._open.values():
                for woken in each:
                    woken.set()

    @contextmanager
    def place(self, user_id: str) -> Iterator[Place]:
        """One of the few streams that a person may have open here. Raises `TooManyRequests` when they have enough."""
        if len(self._open.get(user_id, ())) >= MOST:
            raise TooManyRequests("This inbox is open in too many places.")
        woken = asyncio.Event()
        self._open[user_id].append(woken)
        try:
            yield Place(user_id, woken)
        finally:
            self._open[user_id].remove(woken)
            if not self._open[user_id]:
                del self._open[user_id]

    async def happenings(
        self, place: Place, after: int, alive: Callable[[], Awaitable[bool]], gone: asyncio.Future[Any]
    ) -> AsyncIterator[tuple[int, Event] | None]:
        """(seq, event) from `after` on, as they come, and None when nothing did for a while. Ends when the session does
        (`alive`), when nobody reads any more (`gone`), after an hour, or when the server leaves."""
        leaving = asyncio.ensure_future(self._machines.background.leaving.wait())
        until = time.monotonic() + LONGEST
        try:
            while not gone.done() and not leaving.done() and time.monotonic() < until and await alive():
                place.woken.clear()
                news = await self._machines.store.trail.since(place.user_id, after)
                for seq, event in news:
                    after = seq
                    if event.kind in TOLD:
                        yield seq, event
                if not news and not await self._pause(place.woken, gone, leaving):
                    yield None
        finally:
            for waiting in (gone, leaving):
                waiting.cancel()
                with suppress(asyncio.CancelledError):
                    await waiting

    @staticmethod
    async def _pause(woken: asyncio.Event, *ends: asyncio.Future[Any]) -> bool:
        """Until something happens; False when nothing did."""
        news = asyncio.ensure_future(woken.wait())
        try:
            done, _ = await asyncio.wait((news, *ends), timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
        return bool(done)
