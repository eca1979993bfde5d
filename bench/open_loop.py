"""Requests at a rate, whatever the server does: one that answers slowly meets a queue, as it would in the world."""

import asyncio
import gc
import time
from collections import deque
from collections.abc import Callable
from typing import cast

from bench.load import Answer, parse


class _Line(asyncio.Protocol):
    """A kept connection with one request under way at most."""

    def __init__(self, lost: Callable[[Exception], None]) -> None:
        self._lost = lost
        self._received = b""
        self.done: Callable[[Answer], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        answer = parse(self._received)
        if answer is not None and self.done is not None:
            self._received, done, self.done = b"", self.done, None
            done(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(exc or ConnectionResetError("the server closed a keep-alive connection"))


async def at_rate(
    port: int, request: bytes, judge: Callable[[Answer], None], *, rate: float, seconds: float, connections: int = 32
) -> list[float]:
    """Latencies in seconds, ascending, each counted from the moment in which its request was due: time spent waiting for a
    free connection is the server's, not nobody's. Raises what `judge` raises at an unexpected answer."""
    loop = asyncio.get_running_loop()
    failed: asyncio.Future[None] = loop.create_future()
    latencies: list[float] = []
    waiting: deque[float] = deque()
    idle: deque[_Line] = deque()
    over = asyncio.Event()
    count = int(rate * seconds)

    def lost(error: Exception) -> None:
        if not failed.done() and not over.is_set():
            failed.set_exception(error)

    def send(line: _Line, due: float) -> None:
        def answered(answer: Answer) -> None:
            latencies.append(time.perf_counter() - due)
            try:
                judge(answer)
            except Exception as error:  # noqa: BLE001 - raised again below
                lost(error)
                return
            if waiting:
                send(line, waiting.popleft())
            else:
                idle.append(line)
            if len(latencies) == count:
                over.set()

        line.done = answered
        line.transport.write(request)

    lines = [
        (await loop.create_connection(lambda: _Line(lost), "127.0.0.1", port))[1] for _ in range(connections)
    ]  # fmt: skip
    idle.extend(lines)
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        for n in range(count):
            due = start + n / rate
            if (pause := due - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            if failed.done():
                break
            if idle:
                send(idle.popleft(), due)
            else:
                waiting.append(due)
        finished = asyncio.ensure_future(over.wait())
        await asyncio.wait({failed, finished}, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        finished.cancel()
    finally:
        gc.enable()
        over.set()
        for line in lines:
            line.transport.abort()
    if failed.done():
        failed.result()
    if len(latencies) < count:
        raise TimeoutError(f"{count - len(latencies)} of {count} requests were not answered")
    return sorted(latencies)
