"""`remit backup FILE`"""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from remit_server.cli.place import Place, with_place
from remit_server.storage.backup import backup_postgresql, backup_sqlite


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@with_place
def command(place: Place, file: Path) -> None:
    """Write a consistent copy of everything to FILE, while the server runs.

    The master key is not in it. Keep that, too, in another place: without it what is sealed in the copy cannot be opened.
    """
    if place.sqlite is not None:
        place.must_exist()
        backup_sqlite(place.sqlite, file)
    else:
        asyncio.run(_postgresql(place.database, file))
    click.echo(f"Written to {file}. The master key is not in it: keep it elsewhere.")


async def _postgresql(database: str, file: Path) -> None:
    from remit_server.storage.sql import postgresql  # noqa: PLC0415 - asyncpg is loaded only where it is used

    async with postgresql.alone(database) as connection:
        await backup_postgresql(connection, file)
