"""`remit restore FILE`"""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from remit_server.cli.place import Place, with_place
from remit_server.storage.backup import restore_postgresql, restore_sqlite


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@with_place
def command(place: Place, file: Path) -> None:
    """Fill an empty database from a backup, then see whether the master key here opens it and its trail holds."""
    place.master()  # without the key there is nothing to restore for
    if place.sqlite is not None:
        restore_sqlite(file, place.sqlite)
    else:
        asyncio.run(_postgresql(place.database, file))
    events = asyncio.run(_verified(place))
    click.echo(f"Restored. The master key opens it, and its {events} events link from the first to the last.")


async def _postgresql(database: str, file: Path) -> None:
    from remit_server.storage.sql import postgresql  # noqa: PLC0415 - asyncpg is loaded only where it is used

    async with postgresql.alone(database) as connection:
        await restore_postgresql(connection, file)


async def _verified(place: Place) -> int:
    async with place.store() as store:
        await store.secrets.get("pepper")
        return (await store.trail.verify()).count
