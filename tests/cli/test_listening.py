"""The socket that the server listens at."""

from __future__ import annotations

import asyncio
import socket

import pytest

from remit_server.cli.serve import _listen
from remit_server.errors import ConfigurationError


async def test_an_answer_in_two_pieces_does_not_wait_for_an_acknowledgement() -> None:
    """asyncio turns Nagle off only where a socket says that it is TCP."""
    off: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def joined(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        off.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    listening = _listen("127.0.0.1", 0)
    async with await asyncio.start_server(joined, sock=listening):
        _, writer = await asyncio.open_connection(*listening.getsockname())
        assert await asyncio.wait_for(off, 5)
        writer.close()


def test_a_port_that_is_taken_is_refused_with_the_way_out() -> None:
    with _listen("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(ConfigurationError, match="name another with --port"):
            _listen("127.0.0.1", taken.getsockname()[1])
