"""Serve an ASGI app on loopback, from a thread of this process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

_START_SECONDS = 10.0


def loopback_socket(port: int = 0) -> socket.socket:
    """Return a socket bound to 127.0.0.1; port 0 takes a free one.

    Binding first lets an app know its own address before it exists, without a race for the port.
    """
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # without the last, Nagle stays on
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


def url_of(bound: socket.socket) -> str:
    """Return the http URL of a bound loopback socket, without a trailing slash."""
    return f"http://127.0.0.1:{bound.getsockname()[1]}"


@contextmanager
def served(app: ASGIApp, bound: socket.socket) -> Iterator[str]:
    """Serve ``app`` on ``bound`` for the length of the block; yields its URL.

    A thread, because uvicorn takes over the process's signals when it runs in the main one.

    Raises:
        RuntimeError: the server did not come up within ten seconds.
    """
    config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name=url_of(bound), daemon=True)
    thread.start()
    deadline = time.monotonic() + _START_SECONDS
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            server.should_exit = True
            raise RuntimeError(f"{url_of(bound)} did not start")
        time.sleep(0.01)
    try:
        yield url_of(bound)
    finally:
        server.should_exit = True
        thread.join()
        bound.close()
