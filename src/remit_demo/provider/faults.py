"""Switches that make Meridian behave as upstreams do on bad days."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Kind = Literal["refuse", "slow", "drop"]


@dataclass(slots=True)
class Fault:
    """One misbehaviour of one path, for the next ``times`` requests.

    ``refuse`` answers with ``status`` and does nothing. ``slow`` waits ``seconds`` and then does its work.
    ``drop`` does its work and loses the reply, so the caller cannot know that it was done.
    """

    path: str
    kind: Kind
    times: int = 1
    status: int = 500
    seconds: float = 0.0


class Faults:
    """ASGI middleware that counts the requests to each path and plays the faults that are set for it."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._set: list[Fault] = []

    def set(self, fault: Fault) -> None:
        """Add a fault; those of one path are played in the order in which they were set."""
        self._set.append(fault)

    def clear(self) -> None:
        """Behave again, and forget the counts."""
        self._set.clear()
        self.calls.clear()

    def around(self, app: ASGIApp) -> ASGIApp:
        """Return ``app`` with the faults before it."""

        async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
            path: str = scope["path"]
            self.calls[path] += 1
            fault = self._take(path)
            if fault is None:
                await app(scope, receive, send)
            elif fault.kind == "slow":
                await asyncio.sleep(fault.seconds)
                await app(scope, receive, send)
            elif fault.kind == "refuse":
                headers = {"Retry-After": "1"} if fault.status in {429, 503} else {}
                await JSONResponse({"error": "temporarily_unavailable"}, fault.status, headers)(scope, receive, send)
            else:
                await app(scope, receive, _losing(send))

        return faulty

    def _take(self, path: str) -> Fault | None:
        for fault in self._set:
            if fault.path == path:
                fault.times -= 1
                if fault.times <= 0:
                    self._set.remove(fault)
                return fault
        return None


def _losing(send: Send) -> Send:
    """Announce a body and never send it: uvicorn then closes the connection in the middle of the answer."""

    async def lose(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [(name, value) for name, value in message["headers"] if name.lower() != b"content-length"]
            await send({**message, "headers": [*headers, (b"content-length", b"1")]})

    return lose
