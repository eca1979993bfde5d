"""The load generator: keep-alive connections on one event loop, each of which walks its own flow.

Plain sockets and hand-made bytes keep it several times cheaper than the servers it measures. Every answer is judged by
the flow that asked for it: one unexpected answer ends the run, so nobody's errors are counted as speed.
"""

import asyncio
import gc
import math
import time
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, cast


class Step(NamedTuple):
    """One request of a flow."""

    request: bytes
    ends: bool
    """Whether its answer completes one operation, the unit that is counted and timed."""


class Answer(NamedTuple):
    status: int
    head: bytes
    body: bytes


Flow = Generator[Step, Answer, None]
"""One whose requests come to an end ends after the last answer."""
Reading = dict[str, float]


@dataclass(frozen=True)
class Measured:
    operations: int
    seconds: float
    latencies: list[float]
    """Seconds, ascending."""
    spent: Reading
    """What each probed counter gained inside the window."""

    def percentile(self, share: float) -> float:
        """Nearest-rank percentile of the latencies, in seconds."""
        return self.latencies[max(0, math.ceil(share * len(self.latencies)) - 1)]


class Connection(asyncio.Protocol):
    def __init__(self, flow: Flow, on_operation: Callable[[float], None]) -> None:
        self.flow = flow
        self.on_operation = on_operation
        self.step = next(flow)
        self.received = b""
        self.started = 0.0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are not subclasses
        self.started = time.perf_counter()
        self.transport.write(self.step.request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        answer = parse(self.received)
        if answer is None:
            return
        self.received = b""
        ended, following = self.step.ends, None
        try:
            following = self.step = self.flow.send(answer)
        except StopIteration:
            self.over.set_result(None)
        except Exception as error:  # noqa: BLE001 - it is raised again by drive() and walk()
            self.transport.abort()
            self.over.set_exception(error)
            return
        if ended:
            now = time.perf_counter()
            self.on_operation(now - self.started)
            self.started = now
        if following:
            self.transport.write(following.request)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(exc or ConnectionResetError("the server closed a keep-alive connection"))


def parse(received: bytes) -> Answer | None:
    """The one HTTP/1.1 answer in `received`, or None while it is incomplete."""
    end = received.find(b"\r\n\r\n") + 4
    if end < 4:
        return None
    head = received[:end]
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    if not found:
        if b"\r\ntransfer-encoding: chunked" not in head.lower():
            raise ValueError(f"an answer without a length: {head!r}")
        body = unchunked(received[end:])
        return None if body is None else Answer(int(head[9:12]), head, body)
    if len(received) < end + int(rest[: rest.index(b"\r")]):
        return None
    return Answer(int(head[9:12]), head, received[end:])


def unchunked(rest: bytes) -> bytes | None:
    """The body in chunks (RFC 9112 section 7.1), or None while it is incomplete."""
    body = b""
    while True:
        size, found, rest = rest.partition(b"\r\n")
        if not found:
            return None
        length = int(size, 16)
        if len(rest) < length + 2:
            return None
        if not length:
            return body
        body, rest = body + rest[:length], rest[length + 2 :]


async def drive(
    port: int, flows: Sequence[Flow], *, warm_up: float, seconds: float, probe: Callable[[], Reading]
) -> Measured:
    """Walk every flow on a connection of its own; count what completes within `seconds` after `warm_up`.

    `probe` reads counters (CPU seconds) at both ends of the window. Raises what a flow raised, or the connection's error.
    """
    latencies: list[float] = []
    counting = False

    def on_operation(latency: float) -> None:
        if counting:
            latencies.append(latency)

    async with connected(port, flows, on_operation) as connections:
        await unless_failed(connections, warm_up)
        before, start = probe(), time.perf_counter()
        counting = True
        await unless_failed(connections, seconds)
        counting = False
        elapsed, after = time.perf_counter() - start, probe()
    if not latencies:
        raise TimeoutError(f"no operation completed in {seconds} s")
    return Measured(len(latencies), elapsed, sorted(latencies), {name: after[name] - before[name] for name in after})


async def walk(port: int, flows: Sequence[Flow], *, probe: Callable[[], Reading] = dict) -> Measured:
    """Walk every flow on a connection of its own to its end. Raises as `drive`."""
    latencies: list[float] = []
    before, start = probe(), time.perf_counter()
    async with connected(port, flows, latencies.append) as connections:
        await unless_failed(connections, None)
        elapsed, after = time.perf_counter() - start, probe()
    return Measured(len(latencies), elapsed, sorted(latencies), {name: after[name] - before[name] for name in after})


@asynccontextmanager
async def connected(
    port: int, flows: Sequence[Flow], on_operation: Callable[[float], None]
) -> AsyncIterator[list[Connection]]:
    """The connections, each with its flow under way."""
    loop = asyncio.get_running_loop()
    connections: list[Connection] = []
    gc.collect()
    gc.disable()  # a pause of ours must not stand in their p99
    try:
        for flow in flows:
            _, connection = await loop.create_connection(partial(Connection, flow, on_operation), "127.0.0.1", port)
            connections.append(connection)
        yield connections
    finally:
        gc.enable()
        for connection in connections:
            if not connection.over.cancel():
                connection.over.exception()  # the first to fail is raised; the others have been seen
            connection.transport.abort()


async def unless_failed(connections: list[Connection], seconds: float | None) -> None:
    """Wait so long, or until all flows have ended."""
    done, _ = await asyncio.wait(
        [connection.over for connection in connections], timeout=seconds, return_when=asyncio.FIRST_EXCEPTION
    )
    for over in done:
        over.result()
