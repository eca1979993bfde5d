"""The bytes of one connection to a provider, and whether there are any that nobody has read.

httpcore's own streams stand on buffers that it cannot see into. Of two TLS records in one segment, or of more than 64 KiB at
once, the rest waits where neither the socket nor the HTTP parser knows of it, and would be the answer to whoever is next. Here
there is one buffer, and it is known.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from typing import Any, Final, Self, cast

import httpcore2

MOST: Final = 256 * 1024
"""Bytes that may wait to be read; as long as they do, no more are taken from the socket."""
UNSENT: Final = 64 * 1024
"""Bytes that may wait to be sent before whoever writes waits."""


class NetworkStream(asyncio.Protocol, httpcore2.AsyncNetworkStream):
    """TCP, and TLS upon it. Raises what httpcore's streams raise."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._unread = bytearray()
        self._paused = self._ended = False
        self._fault: Exception | None = None
        self._arrived, self._writable = asyncio.Event(), asyncio.Event()
        self._writable.set()

    @classmethod
    async def connect(cls, address: str, port: int, timeout: float | None) -> Self:  # noqa: ASYNC109 - the library's way
        """A connection to this address. Raises `httpcore2.ConnectError` and `httpcore2.ConnectTimeout`."""
        try:
            async with asyncio.timeout(timeout):
                _, stream = await asyncio.get_running_loop().create_connection(cls, address, port)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(address) from error
        except OSError as error:
            raise httpcore2.ConnectError(address) from error
        return stream

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is the library's
    ) -> Self:
        """The same with TLS. asyncio closes the connection when the handshake fails, or when nobody waits for it any more."""
        try:
            async with asyncio.timeout(timeout):
                over = await asyncio.get_running_loop().start_tls(
                    self._transport, self, ssl_context, server_hostname=server_hostname
                )
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(server_hostname) from error
        except OSError as error:  # ssl.SSLError is one
            raise httpcore2.ConnectError(server_hostname) from error
        if over is None:  # closed in the same moment
            raise httpcore2.ConnectError(server_hostname)
        self.connection_made(over)
        return self

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """Up to so many bytes; none at the end."""
        if not self._unread and not self._ended:
            # Not earlier: one that is paused may have more behind it, and that is how `is_readable` knows.
            if self._paused:
                self._paused = False
                self._transport.resume_reading()
            self._arrived.clear()
            try:
                async with asyncio.timeout(timeout):
                    await self._arrived.wait()
            except TimeoutError as error:
                raise httpcore2.ReadTimeout from error
        if not self._unread and self._fault is not None:
            raise httpcore2.ReadError from self._fault
        found = bytes(self._unread[:max_bytes])
        del self._unread[:max_bytes]
        return found

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        if not self._transport.is_closing():
            self._transport.write(buffer)
            try:
                async with asyncio.timeout(timeout):
                    await self._writable.wait()
            except TimeoutError as error:
                raise httpcore2.WriteTimeout from error
        if self._transport.is_closing():
            raise httpcore2.WriteError from self._fault

    async def aclose(self) -> None:
        """Now: nobody waits for the other side to agree. Who reads hears that this is no end of an answer."""
        self._ended, self._fault = True, ConnectionAbortedError("closed on this side")
        self._transport.abort()
        await asyncio.sleep(0)

    def get_extra_info(self, info: str) -> Any:
        """`is_readable`: whether there is anything that nobody has read, an end as well. Otherwise what asyncio says."""
        if info != "is_readable":
            return self._transport.get_extra_info(info)
        return bool(self._unread) or self._paused or self._ended or _readable(self._transport.get_extra_info("socket"))

    # What asyncio says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=UNSENT)

    def data_received(self, data: bytes) -> None:
        self._unread += data
        self._arrived.set()
        if len(self._unread) > MOST and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        self._ended = True
        self._arrived.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended, self._fault = True, exc or self._fault
        self._arrived.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()


def _readable(socket: Any) -> bool:
    """Whether the system has bytes for us, or an end, that asyncio has not seen yet."""
    if socket is None or socket.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(socket.fileno(), select.POLLIN)
    return bool(poll.poll(0))
