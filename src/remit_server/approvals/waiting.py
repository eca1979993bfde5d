"""Polls that are held until somebody has decided, on whatever node (CIBA Core 1.0 section 7.3 calls it long polling)."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from remit_server.approvals.ask import topic
from remit_server.records import Approval
from remit_server.runtime.machines import Machines
from remit_server.wire.http import Gone, Request

OF_CLIENT, OF_ALL = 100, 2000
"""Polls that are held at once on this node. Who comes when there is no room is answered at once, as ever."""
LOOK_AGAIN: Final = 5.0
DEAF: Final = 0.5
"""Seconds after which the request is read although nothing was heard; the second, while other nodes cannot be heard."""


class Waiting:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        self._heard: defaultdict[str, list[asyncio.Event]] = defaultdict(list)
        self._of_client: Counter[str] = Counter()
        machines.store.engine.listen(self._hear)

    async def until_changed(self, approval: Approval, seconds: int, request: Request) -> Approval:
        """The request once it has changed, or as it is after so many seconds. Raises `Gone` when whoever polls has hung up:
        what would be handed out then, nobody would have."""
        until = time.monotonic() + min(seconds, max(0, approval.expires_at - self._machines.clock.now()))
        with self._room(approval) as heard:
            if heard is None:
                return approval
            gone = asyncio.ensure_future(request.hung_up())
            try:
                while True:
                    heard.clear()
                    found = await self._machines.store.approvals.get(approval.id)
                    left = until - time.monotonic()
                    if found is None or found.version != approval.version or left <= 0:
                        return found or approval
                    await self._pause(heard, gone, left)
                    if gone.done():
                        raise Gone
            finally:
                gone.cancel()
                with suppress(asyncio.CancelledError):
                    await gone

    async def _pause(self, heard: asyncio.Event, gone: asyncio.Future[None], left: float) -> None:
        again = LOOK_AGAIN if self._machines.store.engine.hears else DEAF
        news: asyncio.Future[Any] = asyncio.ensure_future(heard.wait())
        either: tuple[asyncio.Future[Any], ...] = (news, gone)
        try:
            await asyncio.wait(either, timeout=min(left, again), return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()

    @contextmanager
    def _room(self, approval: Approval) -> Iterator[asyncio.Event | None]:
        client = approval.client_id
        if self._of_client[client] >= OF_CLIENT or self._of_client.total() >= OF_ALL:
            yield None
            return
        heard, key = asyncio.Event(), topic(approval)
        self._of_client[client] += 1
        self._heard[key].append(heard)
        try:
            yield heard
        finally:
            self._heard[key].remove(heard)
            if not self._heard[key]:
                del self._heard[key]
            self._of_client[client] -= 1
            if not self._of_client[client]:
                del self._of_client[client]

    def _hear(self, said: str) -> None:
        if said == "*":
            for waiting in self._heard.values():
                for heard in waiting:
                    heard.set()
        else:
            for heard in self._heard.get(said, ()):
                heard.set()
