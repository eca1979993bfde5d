"""`remit restore FILE`"""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from remit_server.cli.place import Place, with_place
from remit_server.storage.backup import restore_postgresql, restore_sqlite, wrapped_in_postgresql, wrapped_in_sqlite
from remit_server.storage.keyring import open_all


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@with_place
def command(place: Place, file: Path) -> None:
    """Fill an empty database from a backup that the master key here opens, then see whether its trail holds."""
    events = asyncio.run(_restore(place, file))
    click.echo(f"Restored. The master key opens it, and its {events} events link from the first to the last.")


async def _restore(place: Place, file: Path) -> int:
    """How many events it has."""
    keeper = place.master()
    # Before anything is written: with another master key there is nothing to restore for.
    await open_all(wrapped_in_sqlite(file) if place.sqlite else wrapped_in_postgresql(file), keeper)
    if place.sqlite is not None:
        restore_sqlite(file, place.sqlite)
    else:
        await _postgresql(place.database, file)
    async with place.store() as store:
        await store.secrets.get("pepper")
        return (await store.trail.verify()).count


async def _postgresql(database: str, file: Path) -> None:
    from remit_server.storage.sql import postgresql  # noqa: PLC0415 - asyncpg is loaded only where it is used

    async with postgresql.alone(database) as connection:
        await restore_postgresql(connection, file)
