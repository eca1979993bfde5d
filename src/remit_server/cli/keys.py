"""`remit keys rotate`, `remit keys rewrap`"""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from remit_server.cli.place import Place, with_place
from remit_server.errors import ConfigurationError
from remit_server.records import Event
from remit_server.runtime.clock import SystemClock
from remit_server.runtime.ids import new_id
from remit_server.runtime.signing import ALGORITHMS, KeyRing
from remit_server.storage.keepers.named import KEEPERS, named, new_key_file
from remit_server.storage.rotation import keep_only, reseal, rotate_data_key, wrap_for


@click.group()
def command() -> None:
    """Rotate keys, or move to another master key."""


@command.command()
@click.option("--alg", type=click.Choice(ALGORITHMS), multiple=True, help="Only these signing keys.  [default: all]")
@click.option("--sealing", is_flag=True, help="The key that seals secrets in the database, and seal them anew.")
@with_place
def rotate(place: Place, alg: tuple[str, ...], sealing: bool) -> None:
    """Make new signing keys (or a new sealing key). Running servers use them at once.

    A retired signing key stays published for a day, longer than anything lives that it signed.
    """
    asyncio.run(_rotate_sealing(place) if sealing else _rotate_signing(place, alg or ALGORITHMS))


@command.command()
@click.option(
    "--to", "to", metavar="MASTER", help=f"The master key to move to: {KEEPERS}. A file is made if it is not there."
)
@click.option("--finish", is_flag=True, help="Let go of every master key but the present one.")
@with_place
def rewrap(place: Place, to: str | None, finish: bool) -> None:
    """Move to another master key while the servers run.

    \b
    1. remit keys rewrap --to NEW     both master keys open the database now
    2. start each server anew, one after the other, with --master NEW
    3. remit keys rewrap --finish --master NEW     only the new one does
    """
    if (to is None) == (not finish):
        raise ConfigurationError("keys rewrap takes either --to or --finish")
    asyncio.run(_finish(place) if to is None else _rewrap(place, to))


async def _rotate_signing(place: Place, algorithms: tuple[str, ...]) -> None:
    async with place.store() as store:
        ring = KeyRing(store, SystemClock())
        await ring.load()
        for alg in algorithms:
            click.echo(f"{alg} signs with {await ring.rotate(alg)}")


async def _rotate_sealing(place: Place) -> None:
    async with place.store() as store:
        event = _rotated(use="sealing")
        key_id = await rotate_data_key(store, place.master(), event, event.at)
        click.echo(f"Sealing with {key_id}; {await reseal(store)} rows sealed anew.")


async def _rewrap(place: Place, to: str) -> None:
    keeper = place.master()
    async with place.store() as store:
        if to.startswith("file:"):
            new_key_file(Path(to.removeprefix("file:")))
        other = named(to)
        count = await wrap_for(store.engine, keeper, other, _rotated(use="master", to=other.id))
    click.echo(f"{count} data keys wrapped anew: {other.id} opens them now, and {keeper.id} still does.")
    click.echo(f"Start every server anew with --master {to}, then run `remit keys rewrap --finish --master {to}`.")


async def _finish(place: Place) -> None:
    keeper = place.master()
    async with place.store() as store:
        gone = await keep_only(store.engine, keeper, _rotated(use="master", only=keeper.id))
    let_go = f"; let go: {', '.join(gone)}" if gone else ", as before"
    click.echo(f"Only {keeper.id} opens the data keys now{let_go}.")


def _rotated(**about: str) -> Event:
    return Event(id=new_id(), at=SystemClock().now(), kind="key.rotated", about=about)
