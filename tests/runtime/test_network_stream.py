"""One connection's bytes: nothing is lost, nothing is held without bound, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import httpcore2
import pytest
import trustme

from remit_server.runtime import network_stream as module
from remit_server.runtime.network_stream import NetworkStream

Tls = tuple[ssl.SSLContext | None, ssl.SSLContext | None]
"""Of the server, and of who calls it."""
PARTS = [bytes([n]) * 64 * 1024 for n in range(250)]
"""More than the system's buffers take."""
Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(params=["tcp", "tls"])
def tls(request: pytest.FixtureRequest) -> Tls:
    if request.param == "tcp":
        return None, None
    authority, served = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(served)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    return served, trusting


@asynccontextmanager
async def connected(play: Play, tls: Tls) -> AsyncIterator[NetworkStream]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, ssl.SSLError):
            await play(reader, writer)
        writer.close()

    served, trusting = tls
    running = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=served)
    stream = await NetworkStream.connect("127.0.0.1", running.sockets[0].getsockname()[1], 2)
    try:
        if trusting is not None:
            stream = await stream.start_tls(trusting, "127.0.0.1", 2)
        yield stream
    finally:
        await stream.aclose()
        running.close()


async def pour(stream: NetworkStream) -> None:
    for part in PARTS:
        await stream.write(part, timeout=0.1)


async def test_a_lot_comes_whole_and_is_never_held_whole(
    tls: Tls,
) -> None:
    sent = False

    async def much(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        for part in PARTS:
            writer.write(part)
            await writer.drain()
        sent = True

    async with connected(much, tls) as stream:
        await asyncio.sleep(0.3)
        held = len(stream._unread)
        assert module.MOST < held <= 2 * module.MOST + 64 * 1024
        assert not sent, "the other side waits"
        found = bytearray()
        while piece := await stream.read(64 * 1024, timeout=2):
            found += piece
            assert len(piece) <= 64 * 1024
    assert found == b"".join(PARTS)


async def test_one_that_was_paused_is_not_known_to_be_empty(
    tls: Tls,
) -> None:
    """What the transport holds back is not in the buffer, nor in the socket."""

    async def much(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x" * (2 * module.MOST))
        await reader.read(1)

    async with connected(much, tls) as stream:
        await asyncio.sleep(0.2)
        while stream._unread:
            await stream.read(module.MOST, timeout=2)
        assert stream._paused
        assert stream.get_extra_info("is_readable")


async def test_what_asyncio_has_not_seen_yet_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stream = await NetworkStream.connect("127.0.0.1", listening.getsockname()[1], 2)
        peer, _ = listening.accept()
        with peer:
            assert not stream.get_extra_info("is_readable")
            peer.sendall(b"x")
            assert stream.get_extra_info("is_readable")
        await stream.aclose()


async def test_silence_is_not_waited_for(tls: Tls) -> None:
    async def silent(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2)

    async with connected(silent, tls) as stream:
        assert not stream.get_extra_info("is_readable")
        with pytest.raises(httpcore2.ReadTimeout):
            await stream.read(1, timeout=0.05)
        with pytest.raises(httpcore2.WriteTimeout):
            await pour(stream)


async def test_an_end_is_an_end_and_what_came_before_it_is_read(
    tls: Tls,
) -> None:
    async def short(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"all")

    async with connected(short, tls) as stream:
        await asyncio.sleep(0.1)
        assert stream.get_extra_info("is_readable")
        with pytest.raises(httpcore2.WriteError):
            await stream.write(b"x", timeout=1)
        assert [await stream.read(9, timeout=1) for _ in range(3)] == [b"all", b"", b""]
        assert stream.get_extra_info("is_readable")


async def test_closing_here_is_no_end_of_an_answer(tls: Tls) -> None:
    """An answer without a length would look whole."""

    async def silent(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1)

    async with connected(silent, tls) as stream:
        reading = asyncio.create_task(stream.read(1, timeout=2))
        await asyncio.sleep(0)
        closing = asyncio.create_task(stream.aclose())
        await asyncio.sleep(0)
        assert stream.get_extra_info("is_readable"), "at once: nobody takes it any more"
        with pytest.raises(httpcore2.ReadError):
            await reading
        await closing
