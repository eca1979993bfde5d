"""Connections to providers that wait for the next call.

httpcore's own pool asks every connection's socket whether it is still there, and does so twice for each request; here a request
asks the one that it takes and the one that waits longest, however many there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import httpcore2

Connection = httpcore2.AsyncHTTPConnection
Connect = Callable[[httpcore2.Origin], Connection]


class KeptConnections:
    """Those of HTTP/1.1: each has one request at a time."""

    def __init__(self, connect: Connect, *, most: int) -> None:
        """`most` may wait at once, for all origins together."""
        self._connect, self._most = connect, most
        self._waiting: dict[str, deque[Connection]] = {}
        """By origin. The one used last is taken first, so that those that nobody needs run out."""
        self._ages: dict[Connection, str] = {}
        """The same with their origins, the one that waits longest first."""

    async def take(self, origin: httpcore2.Origin) -> Connection:
        """One that is there, or a new one. It is the caller's until it is put back."""
        while waiting := self._waiting.get(str(origin)):
            connection = waiting[-1]
            self._remove(connection)
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return self._connect(origin)

    async def put(self, connection: Connection, origin: httpcore2.Origin) -> None:
        """It waits for the next request, if it can take one; and the one that waits longest may have to go."""
        if not connection.is_idle() or connection.has_expired():
            await connection.aclose()
            return
        self._waiting.setdefault(str(origin), deque()).append(connection)
        self._ages[connection] = str(origin)
        oldest = next(iter(self._ages))
        if len(self._ages) > self._most or oldest.has_expired():
            self._remove(oldest)
            await oldest.aclose()

    def _remove(self, connection: Connection) -> None:
        """It is the first or the last of its origin."""
        origin = self._ages.pop(connection)
        waiting = self._waiting[origin]
        _ = waiting.pop() if waiting[-1] is connection else waiting.popleft()
        if not waiting:
            del self._waiting[origin]

    async def aclose(self) -> None:
        waiting, self._ages, self._waiting = tuple(self._ages), {}, {}
        for connection in waiting:
            await connection.aclose()
