"""What is wrong or weak about an installation, each finding with its remedy. Looks, and changes nothing."""

from __future__ import annotations

import asyncio
import shutil
import stat
from collections.abc import AsyncIterator, Iterator, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from msgspec import Struct

from remit_server.config import Settings, is_loopback
from remit_server.errors import RemitError
from remit_server.management import set_up
from remit_server.management.manifest import declared as d
from remit_server.management.manifest.check import secrets_of
from remit_server.records import Client, Organisation
from remit_server.rules.passkeys import party_of
from remit_server.runtime.clock import Clock
from remit_server.runtime.outbound import Outbound
from remit_server.runtime.ports import Relations, RelationsUnavailable
from remit_server.storage.contract import Row
from remit_server.storage.store import Store

SHORTEST_SECRET: Final = 24
"""Characters of a client secret: machines remember them, so there is no reason for fewer."""
LEAST_DISK: Final = 512 * 1024 * 1024
WAIT_SECONDS: Final = 5


class Finding(Struct, frozen=True, kw_only=True):
    level: Literal["good", "weak", "wrong"]
    what: str
    remedy: str | None = None


class Files(Struct, frozen=True):
    """What lies on this machine's disk; None where it does not."""

    data: Path | None
    database: Path | None
    key: Path | None


def _good(what: str) -> Finding:
    return Finding(level="good", what=what)


def _weak(what: str, remedy: str) -> Finding:
    return Finding(level="weak", what=what, remedy=remedy)


def _wrong(what: str, remedy: str) -> Finding:
    return Finding(level="wrong", what=what, remedy=remedy)


async def examine(
    store: Store, settings: Settings, clock: Clock, *, files: Files, manifest: d.Manifest | None, relations: Relations
) -> AsyncIterator[Finding]:
    """Every finding, the good ones too, so that one sees what was looked at."""
    yield _good(f"the database answers ({store.engine.dialect}) and is of this version; the master key opens it")
    for finding in _masters(await store.data_keys.all()):
        yield finding
    async for finding in _issuer(settings, clock):
        yield finding
    for finding in (*_files(files), *(_written(manifest, settings) if manifest else ())):
        yield finding
    clients = await store.clients.all()
    for finding in (*_clients(clients), *await _people(store, clients), *await _keys(store, settings, clock)):
        yield finding
    organisation = await store.organisation.get("organisation") or Organisation()
    async for finding in _mail(organisation):
        yield finding
    async for finding in _needs(organisation, settings, relations):
        yield finding


async def _issuer(settings: Settings, clock: Clock) -> AsyncIterator[Finding]:
    if settings.loopback:
        yield _weak(
            f"the issuer {settings.issuer} is this machine only",
            "good for trying out; others need --issuer https://… (tokens name it, so set it before clients rely on it)",
        )
    if party_of(settings.issuer) is None:
        port = f":{port}" if (port := urlsplit(settings.issuer).port) else ""
        yield _weak(
            f"the host of {settings.issuer} is a number: browsers have no passkeys there, and what is of high risk takes one",
            f"give it a host name; for this machine alone, --issuer http://localhost{port}/",
        )
    outbound = Outbound(settings, clock)
    try:
        reply = await outbound.send("GET", settings.url("/.well-known/openid-configuration"))
        said = reply.json().get("issuer")
    except RemitError as error:
        yield _wrong(
            f"the issuer {settings.issuer} does not answer ({getattr(error, 'detail', None) or error})",
            "start the server, and see that its name and its proxy lead here",
        )
        return
    finally:
        await outbound.close()
    if said != settings.issuer:
        yield _wrong(
            f"at {settings.issuer} answers {said}", "give `remit serve` the same --issuer, trailing slash included"
        )
    else:
        yield _good(f"the issuer {settings.issuer} answers")
    if date := reply.headers.get("date"):
        off = abs(int(parsedate_to_datetime(date).timestamp()) - clock.now())
        yield (
            _good("the clocks agree")
            if off <= settings.clock_skew
            else _wrong(f"the clock here and the server's differ by {off} seconds", "run a time service (NTP) on both")
        )


async def _needs(organisation: Organisation, settings: Settings, relations: Relations) -> AsyncIterator[Finding]:
    """Whether somebody answers for what takes a relation, and knows it."""
    server = settings.relations_server
    if not organisation.needs and server is None:
        return
    try:
        unknown = [
            need
            for need in organisation.needs
            if need.relation not in await relations.relations_of(need.object.partition(":")[0])
        ]
        if server is not None:
            await relations.relations_of("user")
            yield _good(f"the relations server at {server.url} answers")
    except RelationsUnavailable as error:
        yield _wrong(
            f"nobody answers for the relations ({error.detail or error.text}): what takes one is refused",
            "see to the server, its store and the credentials under `relations_server`",
        )
        return
    for need in unknown:
        yield _wrong(
            f"{need.relation} of {need.object} is needed, and no model, or more than one, defines that: it is refused to everybody",
            "apply a store whose model defines it",
        )


def _masters(rows: Sequence[Row]) -> Iterator[Finding]:
    masters = sorted({row["wrapped_by"] for row in rows})
    if len(masters) > 1:
        yield _weak(
            f"more than one master key opens the data keys: {', '.join(masters)}",
            "start every server with the new one, then run `remit keys rewrap --finish` with it",
        )


def _files(files: Files) -> Iterator[Finding]:
    for path, what in ((files.key, "the master key"), (files.database, "the database")):
        if path is not None and path.exists():
            yield from _permissions(path, what)
    if files.key is not None and files.key.exists() and files.database and files.key.parent == files.database.parent:
        yield _weak(
            f"the master key lies beside the database, in {files.key.parent}",
            "keep a copy elsewhere; backups do not hold it",
        )
    data = files.database.parent if files.database else files.data
    if data is None or not data.exists():
        return
    free = shutil.disk_usage(data).free
    yield (
        _good(f"{free // 2**20:,} MiB of disk are free")
        if free >= LEAST_DISK
        else _wrong(f"{free // 2**20:,} MiB of disk are free", "make room: without it nothing can be written")
    )


def _permissions(path: Path, what: str) -> Iterator[Finding]:
    """Who else of this machine may read a file, or put another in its place."""
    mode, room = path.stat().st_mode, path.absolute().parent
    if mode & 0o007:
        yield _wrong(f"{what} {path} is open to everybody on this machine", f"chmod 600 {path}")
    elif mode & 0o070:
        yield _weak(f"{what} {path} is open to a group", f"chmod 600 {path}, unless the group is the server's own")
    if room.stat().st_mode & (0o002 | stat.S_ISVTX) == 0o002:
        yield _wrong(f"anybody on this machine may put another file in the place of {path}", f"chmod o-w {room}")


def _written(manifest: d.Manifest, settings: Settings) -> Iterator[Finding]:
    """What only the file tells: where secrets stand, and how long they are."""
    secrets = [(f"the secret of client {c.id}", secret) for c in manifest.clients for secret in secrets_of(c.auth)]
    upstream = [
        (f"the secret for connection {c.name}", c.client.secret)
        for c in manifest.connections
        if c.client and c.client.secret
    ]
    passwords = [(f"the password of {user.email}", user.password) for user in manifest.users if user.password]
    for name, secret in (*secrets, *upstream, *passwords):
        if secret.plain and not settings.loopback:
            yield _wrong(f"{name} stands in the file", "write {env: NAME} or {file: PATH}, and change the secret")
    for name, secret in secrets:
        if len(secret.value) < SHORTEST_SECRET:
            yield _weak(f"{name} has {len(secret.value)} characters", "make one: openssl rand -base64 32")
    for name, password in passwords:
        if len(password.value) < set_up.SHORTEST_PASSWORD:
            yield _weak(f"{name} has {len(password.value)} characters", f"use {set_up.SHORTEST_PASSWORD} or more")
    for api in manifest.apis:
        users = [client for client in manifest.clients if api.identifier in client.apis]
        if api.skip_consent and users and not any(client.first_party for client in users):
            yield _weak(
                f"{api.identifier} has skip_consent, but no client that is first_party",
                "set first_party on your own clients, or leave skip_consent out",
            )


def _clients(clients: list[Client]) -> Iterator[Finding]:
    for client in clients:
        for uri in client.redirect_uris:
            parts = urlsplit(uri)
            if parts.scheme == "http" and parts.hostname == "localhost":
                yield _weak(
                    f"{client.id} returns to {uri}",
                    "write 127.0.0.1 or [::1]: localhost may lead elsewhere (RFC 8252 section 8.3)",
                )
            elif parts.scheme == "http" and is_loopback(parts.hostname or "") and client.kind == "web":
                yield _weak(
                    f"{client.id} is a web client that returns to {uri}", "give it the https URL that people use"
                )
        if client.kind == "agent" and not (client.owner and client.purpose):
            yield _weak(f"agent {client.id} has no owner or no purpose", "say who answers for it, and what it is for")
        if client.state == "suspended":
            yield _weak(f"{client.id} is suspended", f"remit agents resume {client.id}, when that is over")


async def _people(store: Store, clients: list[Client]) -> list[Finding]:
    found = []
    for owner in sorted({client.owner for client in clients if client.owner}):
        user = await store.users.by_email(owner)
        if user is None or user.state != "active":
            found.append(_wrong(f"{owner} answers for agents, but is not there or blocked", "name another owner"))
    return [*found, *await _administrators(store)]


async def _administrators(store: Store) -> list[Finding]:
    """Whether anybody can administer, and who is meant to but has no way in."""
    meant = [user for user in await store.users.all() if user.administrator and user.state == "active"]
    without = [user for user in meant if not await set_up.can_sign_in(store, user)]
    link = await store.secrets.get(set_up.FIRST) is None
    remedy = "use the link that `remit serve` prints, with this address" if link else "give them a password"
    found = [
        _weak(
            f"{user.email or user.id} administers, but has no password, no passkey and no other way to sign in", remedy
        )
        for user in without
    ]
    if not meant and link:
        found.append(
            _weak("there is no administrator", "use the link that `remit serve` prints, or administrator: true")
        )
    elif len(meant) == len(without) and not link:
        found.append(
            _wrong("no administrator can sign in", "give one a `password` in remit.yaml, and run `remit apply`")
        )
    return found


async def _keys(store: Store, settings: Settings, clock: Clock) -> list[Finding]:
    oldest = min((key.created_at for key in await store.signing_keys.all() if key.state == "current"), default=None)
    if oldest is None:
        return [_wrong("there are no signing keys", "start the server once")]
    days = (clock.now() - oldest) // 86400
    limit = settings.signing_key_age or 365 * 86400
    if clock.now() - oldest > limit + 86400:
        return [_weak(f"a signing key is {days} days old", "remit keys rotate")]
    return [_good(f"the oldest signing key is {days} days old")]


async def _mail(organisation: Organisation) -> AsyncIterator[Finding]:
    email = organisation.channels.get("email")
    if email is None:
        return
    relay = urlsplit(email["smtp"])
    port = relay.port or (465 if relay.scheme == "smtps" else 25)
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            reader, writer = await asyncio.open_connection(relay.hostname, port, ssl=relay.scheme == "smtps")
            greeting = await reader.readline()
            writer.close()
    except (OSError, TimeoutError) as error:
        yield _wrong(f"the mail relay {relay.hostname}:{port} does not answer ({error})", "see channels.email.smtp")
        return
    if greeting.startswith(b"220"):
        yield _good(f"the mail relay {relay.hostname}:{port} answers")
    else:
        yield _wrong(f"{relay.hostname}:{port} is no mail relay", "see channels.email.smtp")
