"""`remit serve`: one process over SQLite, one or many over PostgreSQL."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import signal
import socket
import ssl
import tempfile
from collections.abc import MutableMapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import msgspec
import uvicorn
from uvicorn.supervisors import Multiprocess

from remit_server.app import RemitApp, start_machines
from remit_server.cli.place import Place, with_place
from remit_server.config import Settings
from remit_server.errors import ConfigurationError
from remit_server.management import set_up
from remit_server.management.manifest.apply import Applier
from remit_server.management.manifest.declared import Manifest
from remit_server.management.manifest.read import read
from remit_server.records import Organisation
from remit_server.runtime import logs
from remit_server.runtime.clock import SystemClock
from remit_server.runtime.passwords import Passwords
from remit_server.runtime.secrets import Peppers
from remit_server.storage.store import Store

GRACE_SECONDS = 15
"""What is under way when the server is told to stop may take this long."""


@click.command()
@click.option(
    "--config", type=click.Path(dir_okay=False, path_type=Path), envvar="REMIT_CONFIG", help="Apply this first."
)
@click.option("--issuer", envvar="REMIT_ISSUER", help="The URL that tokens name.  [default: http://localhost:PORT/]")
@click.option("--host", default="127.0.0.1", envvar="REMIT_HOST", show_default=True)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8400, envvar="REMIT_PORT", show_default=True,
    help="0 takes a free one.",
)  # fmt: skip
@click.option(
    "--tls-cert", type=click.Path(dir_okay=False), envvar="REMIT_TLS_CERT", help="PEM file, the chain included."
)
@click.option("--tls-key", type=click.Path(dir_okay=False), envvar="REMIT_TLS_KEY", help="PEM file.")
@click.option(
    "--forwarded-allow-ips", envvar="REMIT_FORWARDED_ALLOW_IPS",
    help="Proxies whose X-Forwarded-For and -Proto are believed, comma-separated.  [default: none]",
)  # fmt: skip
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, envvar="REMIT_WORKERS", help="Processes; PostgreSQL only."
)
@with_place
def command(  # noqa: PLR0917 - click passes them by name
    place: Place,
    config: Path | None,
    issuer: str | None,
    host: str,
    port: int,
    tls_cert: str | None,
    tls_key: str | None,
    forwarded_allow_ips: str | None,
    workers: int,
) -> None:
    """Run the server."""
    if (tls_cert is None) != (tls_key is None):
        raise ConfigurationError("--tls-cert and --tls-key belong together")
    if tls_cert and tls_key:
        _must_open(tls_cert, tls_key)
    if forwarded_allow_ips:
        _must_be_networks(forwarded_allow_ips)
    if workers > 1 and place.database.startswith("sqlite:"):
        raise ConfigurationError("SQLite has one writing process: use PostgreSQL (--database) for more than one worker")
    manifest = read(config) if config else None
    logs.configure()
    listening = _listen(host, port)
    own = f"{'https' if tls_cert else 'http'}://{_written(host)}:{listening.getsockname()[1]}/"
    served = Served(place, issuer or own)
    where = own if served.issuer == own else f"{own} as {served.issuer}"
    settings = uvicorn.Config(
        served,
        workers=workers,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(forwarded_allow_ips),
        forwarded_allow_ips=forwarded_allow_ips,
        ssl_certfile=tls_cert,
        ssl_keyfile=tls_key,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=65,  # longer than proxies keep theirs, so that they never send into a closing connection
    )
    if workers > 1:
        asyncio.run(_prepare_and_leave(served, manifest))
        click.echo(f"Remit starts {workers} workers at {where}")
        with tempfile.TemporaryDirectory(prefix="remit-metrics-") as counts:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = counts  # the workers add up their counts there
            Multiprocess(settings, sockets=[listening]).run()
        return
    _stop_quietly()
    with asyncio.Runner(loop_factory=settings.get_loop_factory()) as runner:
        failed = runner.run(_serve(settings, served, manifest, listening, where))
    if failed:
        raise SystemExit(3)


def _must_open(certificate: str, key: str) -> None:
    """Raises `ConfigurationError` where no TLS server could be made of the two files."""
    for path in (certificate, key):
        if not Path(path).is_file():
            raise ConfigurationError(f"there is no file {path}")
    try:
        # A key behind a passphrase is refused: nobody is there to type it when a machine starts.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        raise ConfigurationError(
            f"{certificate} and {key} are not a certificate and its own key (PEM, the key without a passphrase)"
        ) from error
    except OSError as error:
        raise ConfigurationError(f"{certificate} and {key} cannot be read: {error.strerror}") from error


def _must_be_networks(proxies: str) -> None:
    """A misspelled proxy would be believed by nobody, and all its callers would share one address and its limits."""
    for each in map(str.strip, proxies.split(",")):
        try:
            if each != "*":
                ip_network(each)
        except ValueError as error:
            raise ConfigurationError(f"--forwarded-allow-ips: {error}") from error


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Said aloud, so that asyncio sees that it is TCP and turns Nagle off: an answer in two pieces would wait for an ACK.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        remedy = "; name another with --port" if error.errno == errno.EADDRINUSE else ""
        raise ConfigurationError(f"{host}:{port} cannot be listened at: {error.strerror}{remedy}") from error
    listening.set_inheritable(True)
    return listening


def _written(host: str) -> str:
    """An address to go to: everywhere is here, too. Here has a name, since browsers have no passkeys for a number."""
    if host in {"127.0.0.1", "::1", "0.0.0.0", "::", ""}:  # noqa: S104 - compared, not bound
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _stop_quietly() -> None:
    """uvicorn sends the signal that stopped it once more when everything is drained; then there is nothing left to do."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)


async def _serve(
    settings: uvicorn.Config, served: Served, manifest: Manifest | None, listening: socket.socket, where: str
) -> bool:
    """Run until told to stop; whether it failed to start."""
    store = await served.place.open(create=True)
    try:
        words = await _prepare(served, store, manifest)
        served.app = await _built(served, store)
    except BaseException:
        await store.close()
        raise
    server = _Announcing(settings, [f"Remit listens at {where}", *words], served.app.machines.background.leaving)
    await server.serve(sockets=[listening])
    return not server.started


class _Announcing(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, words: list[str], leaving: asyncio.Event) -> None:
        super().__init__(config)
        self._words, self._leaving = words, leaving

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._leaving.set()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            click.echo("\n".join(self._words))


async def _prepare_and_leave(served: Served, manifest: Manifest | None) -> None:
    async with served.place.store(create=True) as store:
        for line in await _prepare(served, store, manifest):
            click.echo(line)


async def _prepare(served: Served, store: Store, manifest: Manifest | None) -> list[str]:
    """Apply the configuration, and offer the link of a first start; what to tell the operator."""
    if manifest is not None:
        passwords = Passwords()
        plan = await Applier(store, SystemClock(), passwords, await Peppers.load(store)).apply(manifest)
        passwords.close()
        if plan:
            logs.log.info("applied", changes=len(plan.changes))
    settings = await _settings(served.issuer, store)
    logs.configure(settings.log_level)
    ticket = await set_up.offer(store, SystemClock())
    if ticket is None:
        return []
    link = settings.url(f"/setup?ticket={quote(ticket)}")
    named = [user.email or user.id for user in await store.users.all() if user.administrator and user.state == "active"]
    why = f"{', '.join(named)} cannot sign in yet" if named else "There is no administrator yet"
    return [f"{why}. This link makes the first administrator; it works once, for 30 minutes:", f"  {link}"]


async def _settings(issuer: str, store: Store) -> Settings:
    """The command line names the issuer; everything else was applied."""
    stored = (await store.organisation.get("organisation") or Organisation()).settings
    given = Settings(issuer=issuer)  # refused by its own words, before the rest is read
    return msgspec.convert({**stored, "issuer": given.issuer}, Settings)


async def _built(served: Served, store: Store) -> RemitApp:
    app = RemitApp(await start_machines(await _settings(served.issuer, store), store))
    # What is here now stays: the collector need not walk it again and again, nor look after every few requests.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)
    return app


class Served:
    """The app as uvicorn sees it. It travels to a worker process by its place and issuer, and opens the store there."""

    def __init__(self, place: Place, issuer: str) -> None:
        self.place, self.issuer = place, issuer
        self.app: RemitApp | None = None

    def __reduce__(self) -> tuple[type[Served], tuple[Place, str]]:
        return Served, (self.place, self.issuer)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if self.app is None:
            logs.configure()
            self.app = await _built(self, await self.place.open())
        await self.app(scope, receive, send)
