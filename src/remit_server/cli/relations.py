"""`remit relations check`, `remit relations test` and `remit relations copy`"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click
import msgspec

from remit_server.access.copying.copy import TOLD, Copy, Progress
from remit_server.access.copying.ends import End, Local, Remote
from remit_server.access.remote import OpenFga, Refused
from remit_server.cli.place import Place, operator, with_place
from remit_server.config import RelationsServer, Settings
from remit_server.errors import ConfigurationError, IntegrityError
from remit_server.management.relation_tests import Tested, model_in, tested
from remit_server.rules.visible import reveal
from remit_server.runtime.clock import SystemClock
from remit_server.runtime.outbound import Outbound
from remit_server.runtime.ports import RelationsUnavailable
from remit_server.storage.store import Store

_STORE = re.compile(r"(?P<server>https?://.+)/stores/(?P<id>[^/]+)/?")
_INNER = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
"""Whoever types an address may mean one of their own network."""


@click.group()
def command() -> None:
    """Check and test models of relations, and move stores between Remit and OpenFGA."""


@command.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check(file: Path) -> None:
    """Say all that is wrong with a model in OpenFGA's language (FILE.fga, or fga.mod), with line and column."""
    model = model_in(file)
    types = len(model["type_definitions"])
    click.echo(
        f"{file}: schema {model['schema_version']}, {types} types, {len(model.get('conditions', {}))} conditions."
    )


@command.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def test(files: tuple[Path, ...]) -> None:
    """Run the tests of stores (*.fga.yaml) with Remit's engine, in memory. Exit code 2 where one fails."""
    failed = 0
    for file in files:
        found: Tested = asyncio.run(tested(file))
        failed += len(found.failed)
        for line in found.failed:
            click.echo(f"{file}: {reveal(line)}")
        click.echo(f"{file}: {found.passed} of {found.passed + len(found.failed)} assertions hold.")
    if failed:
        raise IntegrityError(f"{failed} assertions do not hold")


@command.command()
@click.option("--from", "source", required=True, help="The name of a relation store here, or https://…/stores/ID.")
@click.option("--to", "target", required=True, help="Likewise. A store here that is not there yet is made.")
@click.option(
    "--state", type=click.Path(dir_okay=False, path_type=Path), help="Note here how far it came, and go on from there."
)
@with_place
def copy(place: Place, source: str, target: str, state: Path | None) -> None:
    """Copy models, tuples and assertions from one relation store to another, then what changes meanwhile.

    A URL is an OpenFGA server's, or a Remit's that runs. The tokens for them are read from REMIT_FROM_TOKEN and REMIT_TO_TOKEN.
    What is there already stays. Exit code 1 where tuples were left behind that the target does not take.
    """
    done = asyncio.run(_copy(place, source, target, state))
    if state is not None:
        state.unlink(missing_ok=True)  # it is caught up: what comes next is another copy
    click.echo(
        f"{len(done.models)} models, {done.asserted} assertions and {done.copied} tuples copied; {done.followed} changes followed."
    )
    for name, why in list(done.left.items())[:TOLD]:
        click.echo(f"left behind: {reveal(f'{name}: {why}')}")
    if done.left:
        click.echo(f"{len(done.left)} tuples were left behind.")
        raise SystemExit(1)


async def _copy(place: Place, source: str, target: str, state: Path | None) -> Progress:
    progress = _progress(source, target, state)

    def save(at: Progress) -> None:
        if state is not None:
            whole = state.with_name(f"{state.name}.new")
            whole.write_bytes(msgspec.json.encode(at))
            whole.replace(state)

    try:
        async with _ends(place, source, target) as (here, there):
            return await Copy(here, there, progress, save).run()
    except (Refused, RelationsUnavailable) as error:
        why = getattr(error, "detail", None) or str(error)
        raise ConfigurationError(f"the copy stopped after {progress.copied} tuples: {reveal(why)}") from error


def _progress(source: str, target: str, state: Path | None) -> Progress:
    if state is None or not state.exists():
        return Progress(source=source, target=target, began=SystemClock().now())
    try:
        found = msgspec.json.decode(state.read_bytes(), type=Progress)
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{state} does not tell how far a copy came: {error}") from error
    if (found.source, found.target) != (source, target):
        raise ConfigurationError(f"{state} is about a copy from {found.source} to {found.target}")
    return found


@asynccontextmanager
async def _ends(place: Place, source: str, target: str) -> AsyncIterator[tuple[End, End]]:
    clock = SystemClock()
    outbound = Outbound(Settings(issuer="http://localhost/", private_networks=_INNER), clock)
    local = not _STORE.fullmatch(source) or not _STORE.fullmatch(target)
    store = await place.open() if local else None
    try:
        yield (
            await _end(source, "REMIT_FROM_TOKEN", store, outbound, create=False),
            await _end(target, "REMIT_TO_TOKEN", store, outbound, create=True),
        )
    finally:
        await outbound.close()
        if store is not None:
            await store.close()


async def _end(name: str, variable: str, store: Store | None, outbound: Outbound, *, create: bool) -> End:
    found, clock = _STORE.fullmatch(name), SystemClock()
    if found is None:
        if store is None or "/" in name:
            raise ConfigurationError(f"{name!r} is neither the name of a relation store nor https://…/stores/ID")
        return await Local.named(store, name, clock, f"command line, {operator()}", create=create)
    server = RelationsServer(url=found["server"], store=found["id"], token=os.environ.get(variable) or None)
    return Remote(OpenFga(server, outbound, clock))
