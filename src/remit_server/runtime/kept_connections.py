"""Connections to providers that wait for the next call.

httpcore's own pool asks every connection's socket whether it is still there, and does so twice for each request; here a request
asks the one that it takes and the one that waits longest, however many there are.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar


class Connection(Protocol):
    """One of HTTP/1.1: it has one request at a time."""

    def is_idle(self) -> bool:
        """Whether it can take a request."""

    def has_expired(self) -> bool:
        """Whether it has waited too long, or the other side has closed it or says something unasked."""

    async def aclose(self) -> None: ...


C = TypeVar("C", bound=Connection)


class KeptConnections(Generic[C]):
    """An origin is what RFC 6454 writes: scheme, host, port."""

    def __init__(self, *, most: int) -> None:
        """`most` may wait at once, for all origins together."""
        self._most = most
        self._waiting: dict[str, deque[C]] = {}
        """By origin. The one used last is taken first, so that those that nobody needs run out."""
        self._ages: dict[C, str] = {}
        """The same with their origins, the one that waits longest first."""

    async def take(self, origin: str) -> C | None:
        """One that is there. It is the caller's until it is put back."""
        while waiting := self._waiting.get(origin):
            connection = waiting[-1]
            self._remove(connection)
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return None

    async def put(self, connection: C, origin: str) -> None:
        """It waits for the next request, if it can take one; and the one that waits longest may have to go."""
        if not connection.is_idle() or connection.has_expired():
            await connection.aclose()
            return
        self._waiting.setdefault(origin, deque()).append(connection)
        self._ages[connection] = origin
        oldest = next(iter(self._ages))
        if len(self._ages) > self._most or oldest.has_expired():
            self._remove(oldest)
            await oldest.aclose()

    def _remove(self, connection: C) -> None:
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
