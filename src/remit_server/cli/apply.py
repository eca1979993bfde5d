"""`remit apply FILE`"""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from remit_server.cli.place import Place, with_place
from remit_server.errors import ConfigurationError
from remit_server.management.manifest.apply import Applier
from remit_server.management.manifest.read import read
from remit_server.runtime.clock import SystemClock
from remit_server.runtime.passwords import Passwords
from remit_server.runtime.secrets import Peppers


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only show what would change; exit code 1 if anything would.")
@with_place
def command(place: Place, file: Path, yes: bool, dry_run: bool) -> None:
    """Put a configuration into force, after showing what it changes.

    Running servers use it at once, on SQLite within a quarter of a second; what it says under `settings` they use when they
    are started again.
    """
    if asyncio.run(_apply(place, file, yes=yes, dry_run=dry_run)) and dry_run:
        raise SystemExit(1)


def _ask() -> None:
    """Raises `ConfigurationError` where nobody can answer, and ends the command where the answer is no."""
    try:
        if click.confirm("Apply?"):
            return
    except click.Abort as error:
        click.echo()
        raise ConfigurationError("nothing was applied; where nobody can answer, give --yes") from error
    raise click.Abort


async def _apply(place: Place, file: Path, *, yes: bool, dry_run: bool) -> bool:
    """Whether there was anything to change."""
    manifest = read(file)
    async with place.store(create=not dry_run) as store:
        passwords = Passwords()
        applier = Applier(store, SystemClock(), passwords, await Peppers.load(store))
        try:
            plan = await applier.plan(manifest)
            click.echo(str(plan))
            if plan and not dry_run:
                if not yes:
                    _ask()
                await applier.apply(manifest)
                click.echo("Applied.")
        finally:
            passwords.close()
        return bool(plan)
