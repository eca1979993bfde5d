"""`remit migrate`"""

from __future__ import annotations

import asyncio

import click

from remit_server.cli.place import Place, with_place
from remit_server.storage.open import open_engine


@click.command()
@with_place
def command(place: Place) -> None:
    """Bring the database to the form that this version needs.

    `remit serve` does it, too, on its start; this is for deployments that want it done before.
    """

    place.must_exist()

    async def migrate() -> None:
        await (await open_engine(place.database)).close()

    asyncio.run(migrate())
    click.echo("The database is up to date.")
