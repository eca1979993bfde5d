"""`remit doctor`"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import click
import msgspec

from remit_server.access.answering import answering
from remit_server.cli.place import Place, with_place
from remit_server.config import Settings
from remit_server.management.doctor import Files, Finding, examine
from remit_server.management.manifest.declared import Manifest
from remit_server.management.manifest.read import read
from remit_server.records import Organisation
from remit_server.runtime.clock import SystemClock
from remit_server.runtime.outbound import Outbound
from remit_server.storage.store import Store

MARKS = {"good": "ok   ", "weak": "weak ", "wrong": "WRONG"}


@click.command()
@click.option(
    "--config", type=click.Path(dir_okay=False, path_type=Path), envvar="REMIT_CONFIG", help="Examine this, too."
)
@click.option("--issuer", envvar="REMIT_ISSUER", default="http://localhost:8400/", show_default=True)
@with_place
def command(place: Place, config: Path | None, issuer: str) -> None:
    """Look for what is wrong or weak, and say how to mend it.

    Exit code 0: nothing is wrong (some things may be weak). 1: something is. 2: it could not be examined.
    """
    raise SystemExit(1 if asyncio.run(_examine(place, config, issuer)) else 0)


async def _examine(place: Place, config: Path | None, issuer: str) -> bool:
    """Whether anything is wrong."""
    manifest = read(config) if config else None
    wrong = False
    async with place.store() as store:
        stored = (await store.organisation.get("organisation") or Organisation()).settings
        settings = msgspec.convert({**stored, "issuer": Settings(issuer=issuer).issuer}, Settings)
        files = Files(place.data, place.sqlite, place.key_file)
        async for finding in _findings(store, settings, files, manifest):
            click.echo(f"{MARKS[finding.level]}  {finding.what}")
            if finding.remedy:
                click.echo(f"       -> {finding.remedy}")
            wrong |= finding.level == "wrong"
    return wrong


async def _findings(
    store: Store, settings: Settings, files: Files, manifest: Manifest | None
) -> AsyncIterator[Finding]:
    clock = SystemClock()
    outbound = Outbound(settings, clock)
    relations = answering(settings, store, outbound, clock)
    try:
        async for finding in examine(store, settings, clock, files=files, manifest=manifest, relations=relations):
            yield finding
    finally:
        await outbound.close()
