"""Switches that make Meridian behave as upstreams do on bad days."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Literal, get_args

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Kind = Literal["refuse", "slow", "hang", "drop", "drip", "garbage", "html", "huge", "redirect"]
KINDS: tuple[str, ...] = get_args(Kind)

_HUGE = 2 * 1024 * 1024


@dataclass(slots=True)
class Fault:
    """One misbehaviour of one path, for the next ``times`` requests.

    These do nothing: ``refuse`` answers with ``status`` (and ``Retry-After: retry_after``), ``redirect`` sends the caller
    to another path, ``hang`` says nothing for ``seconds`` and then fails.

    These do their work. ``slow`` waits ``seconds`` first; ``drip`` spreads its answer over ``seconds``. Of the others the
    caller cannot know that it was done: ``drop`` breaks off in the middle of the answer, ``garbage`` answers with half a
    JSON text, ``html`` with a page, ``huge`` with two megabytes.
    """

    path: str
    kind: Kind
    times: int = 1
    status: int = 500
    seconds: float = 0.0
    retry_after: str | None = None


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
            else:
                await _play(fault, app, scope, receive, send)

        return faulty

    def _take(self, path: str) -> Fault | None:
        for fault in self._set:
            if fault.path == path:
                fault.times -= 1
                if fault.times <= 0:
                    self._set.remove(fault)
                return fault
        return None


async def _play(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    match fault.kind:
        case "refuse":
            after = fault.retry_after or ("1" if fault.status in {429, 503} else None)
            headers = {"Retry-After": after} if after else {}
            await JSONResponse({"error": "temporarily_unavailable"}, fault.status, headers)(scope, receive, send)
        case "redirect":
            await RedirectResponse("/elsewhere", 307)(scope, receive, send)
        case "hang":
            await asyncio.sleep(fault.seconds)
        case "slow":
            await asyncio.sleep(fault.seconds)
            await app(scope, receive, send)
        case "drip":
            await app(scope, receive, _dripping(send, fault.seconds))
        case "drop":
            await app(scope, receive, _losing(send))
        case "garbage" | "html" | "huge":
            await app(scope, receive, _silent)
            await _INSTEAD[fault.kind](scope, receive, send)


_INSTEAD: dict[str, Response] = {
    "garbage": PlainTextResponse('{"access_token": "mda_', media_type="application/json"),
    "html": HTMLResponse("<!doctype html><title>Meridian</title><h1>Please sign in</h1>"),
    "huge": JSONResponse({"access_token": "x" * _HUGE}),
}


async def _silent(_message: Message) -> None:
    """Where an answer goes that nobody is to hear."""


def _losing(send: Send) -> Send:
    """Announce a body and never send it: uvicorn then closes the connection in the middle of the answer."""

    async def lose(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [(name, value) for name, value in message["headers"] if name.lower() != b"content-length"]
            await send({**message, "headers": [*headers, (b"content-length", b"1")]})

    return lose


def _dripping(send: Send, seconds: float) -> Send:
    """Each answer in twenty pieces: no pause is long, and all together are."""

    async def drip(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
            return
        body: bytes = message.get("body", b"")
        size = max(1, len(body) // 20)
        for start in range(0, len(body), size):
            await asyncio.sleep(seconds / 20)
            await send({"type": "http.response.body", "body": body[start : start + size], "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return drip
