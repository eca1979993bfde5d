"""`remit keys rotate`"""

from __future__ import annotations

import asyncio

import click

from remit_server.cli.place import Place, with_place
from remit_server.records import Event
from remit_server.runtime.clock import SystemClock
from remit_server.runtime.ids import new_id
from remit_server.runtime.signing import ALGORITHMS, KeyRing
from remit_server.storage.rotation import reseal, rotate_data_key


@click.group()
def command() -> None:
    """Rotate keys."""


@command.command()
@click.option("--alg", type=click.Choice(ALGORITHMS), multiple=True, help="Only these signing keys.  [default: all]")
@click.option("--sealing", is_flag=True, help="The key that seals secrets in the database, and seal them anew.")
@with_place
def rotate(place: Place, alg: tuple[str, ...], sealing: bool) -> None:
    """Make new signing keys (or a new sealing key). Running servers use them at once.

    A retired signing key stays published for a day, longer than anything lives that it signed.
    """
    asyncio.run(_rotate_sealing(place) if sealing else _rotate_signing(place, alg or ALGORITHMS))


async def _rotate_signing(place: Place, algorithms: tuple[str, ...]) -> None:
    async with place.store() as store:
        ring = KeyRing(store, SystemClock())
        await ring.load()
        for alg in algorithms:
            click.echo(f"{alg} signs with {await ring.rotate(alg)}")


async def _rotate_sealing(place: Place) -> None:
    async with place.store() as store:
        now = SystemClock().now()
        event = Event(id=new_id(), at=now, kind="key.rotated", about={"use": "sealing"})
        key_id = await rotate_data_key(store, place.master(), event, now)
        click.echo(f"Sealing with {key_id}; {await reseal(store)} rows sealed anew.")
