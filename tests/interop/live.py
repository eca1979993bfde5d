"""A Remit server on a real port, and the trust that lets other people's clients reach it over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import trustme
import uvicorn
from tests.fixtures.browser import Browser
from tests.fixtures.house import Clock, House, built, sqlite
from tests.fixtures.vault import Vault

from remit_server.runtime.clock import SystemClock


@dataclass(frozen=True)
class Trust:
    """A certificate authority for tests: its file, and a certificate for localhost that it signed, with its key."""

    file: Path
    leaf: Path
    client: ssl.SSLContext
    server: ssl.SSLContext

    @classmethod
    def made(cls, place: Path) -> Trust:
        authority, file, leaf = trustme.CA(), place / "authority.pem", place / "leaf.pem"
        authority.cert_pem.write_to_path(str(file))
        authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(leaf))
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(leaf)
        return cls(file, leaf, ssl.create_default_context(cafile=str(file)), server)

    @property
    def environment(self) -> dict[str, str]:
        """For a client in a process of its own: requests, httpx and Node.js each look elsewhere."""
        names = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
        return {"PATH": os.environ["PATH"], **dict.fromkeys(names, str(self.file))}


@dataclass(frozen=True)
class Reached:
    """A server that listens, seen from outside."""

    issuer: str
    trust: Trust

    @contextlib.asynccontextmanager
    async def browser(self) -> AsyncIterator[Browser]:
        """A browser that comes over the network."""
        async with httpx2.AsyncClient(verify=self.trust.client, trust_env=False) as http:
            yield Browser(http, self.issuer)


@dataclass(frozen=True)
class Live(Reached):
    """A server in this process. `calls` lists what it was asked, as `POST /oauth/token`."""

    house: House
    calls: list[str]


@dataclass(frozen=True)
class Borrowing(Live):
    """One whose vault knows a provider."""

    vault: Vault


class RealTime(Clock):
    """For what runs beside a server whose clock goes."""

    @property
    def at(self) -> int:
        return int(time.time())

    @at.setter
    def at(self, _: int) -> None:
        """Nobody moves it."""


class _Server(uvicorn.Server):
    """Leaves the signals to the test run."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def listening(app: Any, at: socket.socket, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
    """Serve an ASGI app on a bound socket, over TLS when a context is given."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, ssl_context_factory=(lambda *_: tls) if tls else None,
        timeout_graceful_shutdown=1, lifespan="off",
    )  # fmt: skip
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[at]))
    while not server.started:
        assert not task.done(), task
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await task


def bound() -> tuple[socket.socket, int]:
    """A socket on a free port of loopback, and the port."""
    at = socket.socket()
    at.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    at.bind(("127.0.0.1", 0))
    return at, at.getsockname()[1]


@contextlib.asynccontextmanager
async def live(
    place: Path, trust: Trust, *more: Any, tls: bool = True, at: socket.socket | None = None, **settings: Any
) -> AsyncIterator[Live]:
    """Over TLS the issuer is https://localhost:<port>/, else http://127.0.0.1:<port> without the slash: both are used as
    they are written, byte for byte. `at` is where it listens, if somebody had to know before. Polls may come every second, so
    that nobody waits long."""
    at = at or bound()[0]
    port = at.getsockname()[1]
    issuer = f"https://localhost:{port}/" if tls else f"http://127.0.0.1:{port}"
    settings = {"poll_interval": 1, **settings}
    with at:
        async with built(sqlite(place), *more, clock=SystemClock(), issuer=issuer, **settings) as house:
            calls: list[str] = []

            async def counted(scope: Any, receive: Any, send: Any) -> None:
                calls.append(f"{scope['method']} {scope['path']}")
                await house.app(scope, receive, send)

            async with listening(counted, at, trust.server if tls else None):
                yield Live(issuer, trust, house, calls)
