"""`remit audit verify` and `remit audit export`"""

from __future__ import annotations

import asyncio
from typing import IO

import click
import msgspec

from remit_server.cli.place import Place, with_place
from remit_server.errors import IntegrityError


@click.group()
def command() -> None:
    """Verify and export the trail."""


@command.command()
@with_place
def verify(place: Place) -> None:
    """Follow the chain of events from the first to the last; exit code 2 where it does not hold.

    Keep the head that this prints in another place: with it you can tell later that nothing before it was rewritten.
    """

    async def run() -> None:
        async with place.store() as store:
            verified = await store.trail.verify()
            click.echo(f"{verified.count} events, each linked to the one before. Head: {verified.head}")

    asyncio.run(run())


@command.command()
@click.option("--out", type=click.File("wb"), default="-", help="A file instead of standard output.")
@with_place
def export(place: Place, out: IO[bytes]) -> None:
    """Write the trail as JSON lines: `seq`, `hash` and the event. Stops with exit code 2 at the first bad link."""

    async def run() -> int:
        count = 0
        async with place.store() as store:
            async for seq, event, hash_ in store.trail.everything():
                line = {"seq": seq, "hash": hash_.hex(), **msgspec.to_builtins(event)}
                out.write(msgspec.json.encode(line) + b"\n")
                count += 1
        return count

    try:
        count = asyncio.run(run())
    except IntegrityError:
        out.flush()
        raise
    click.echo(f"{count} events", err=True)
