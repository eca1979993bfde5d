"""Requests at a rate, whatever the server does: one that answers slowly meets a queue, as it would in the world."""

import asyncio
import gc
import time
from collections import deque
from collections.abc import Callable
from typing import cast

from bench.load import Answer, parse

PATIENCE = 10.0
"""Seconds after the last request in which the last answer must be there."""


class _Line(asyncio.Protocol):
    """A kept connection with one request under way at most."""

    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._received = b""
        self.due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are not subclasses

    def data_received(self, data: bytes) -> None:
        self._received += data
        answer = parse(self._received)
        if answer is not None:
            self._received = b""
            self._load.answered(self, answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.end(exc or ConnectionResetError("the server closed a keep-alive connection"))


class _Load:
    def __init__(self, request: bytes, judge: Callable[[Answer], None], count: int) -> None:
        self._request, self._judge, self._count = request, judge, count
        self._waiting: deque[float] = deque()
        self.idle: deque[_Line] = deque()
        self.latencies: list[float] = []
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def ask(self, due: float) -> None:
        if not self.idle:
            self._waiting.append(due)
            return
        line = self.idle.popleft()
        line.due = due
        line.transport.write(self._request)

    def answered(self, line: _Line, answer: Answer) -> None:
        self.latencies.append(time.perf_counter() - line.due)
        try:
            self._judge(answer)
        except Exception as error:  # noqa: BLE001 - at_rate raises it again
            self.end(error)
        self.idle.append(line)
        if self._waiting:
            self.ask(self._waiting.popleft())
        if len(self.latencies) == self._count:
            self.end()

    def end(self, error: Exception | None = None) -> None:
        if self.over.done():
            return
        if error:
            self.over.set_exception(error)
        else:
            self.over.set_result(None)


async def at_rate(
    port: int, request: bytes, judge: Callable[[Answer], None], *, rate: float, seconds: float, connections: int = 32
) -> list[float]:
    """Latencies in seconds, ascending, each counted from the moment in which its request was due: time spent waiting for a
    free connection is the server's, not nobody's. Raises what `judge` raises at an unexpected answer, or the connection's
    error."""
    loop, count = asyncio.get_running_loop(), int(rate * seconds)
    load = _Load(request, judge, count)
    for _ in range(connections):
        _, line = await loop.create_connection(lambda: _Line(load), "127.0.0.1", port)
        load.idle.append(line)
    lines = list(load.idle)
    gc.collect()
    gc.disable()  # a pause of ours must not stand in their p99
    try:
        start = time.perf_counter()
        for n in range(count):
            due = start + n / rate
            if (pause := due - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            if load.over.done():
                break
            load.ask(min(due, time.perf_counter()))  # a timer may ring up to a millisecond early
        async with asyncio.timeout(PATIENCE):
            await load.over
    finally:
        gc.enable()
        load.end()
        for line in lines:
            line.transport.abort()
    return sorted(load.latencies)
