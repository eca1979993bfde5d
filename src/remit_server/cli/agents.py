"""`remit agents list`, `suspend` and `resume`"""

from __future__ import annotations

import asyncio

import click

from remit_server.cli.place import Place, operator, with_place
from remit_server.oversight.agents import resume as resume_agent
from remit_server.oversight.agents import suspend as suspend_agent
from remit_server.runtime.clock import SystemClock
from remit_server.storage.sql.sqlite import WATCH_SECONDS


@click.group()
def command() -> None:
    """List, suspend and resume agents."""


@command.command("list")
@with_place
def list_(place: Place) -> None:
    """Show every client: its state, kind, owner and purpose."""

    async def run() -> None:
        async with place.store() as store:
            for client in await store.clients.all():
                line = f"{client.state:<10} {client.kind:<8} {client.id:<28} {client.owner or '-':<28} {client.purpose or ''}"
                click.echo(line.rstrip())

    asyncio.run(run())


@command.command()
@click.argument("client_id")
@click.option("--reason", help="Kept in the trail.")
@with_place
def suspend(place: Place, client_id: str, reason: str | None) -> None:
    """Refuse every token of an agent from now on, and close what it has asked people."""
    asyncio.run(_move(place, client_id, reason, suspending=True))
    click.echo(f"{client_id} is suspended.")


@command.command()
@click.argument("client_id")
@click.option("--reason", help="Kept in the trail.")
@with_place
def resume(place: Place, client_id: str, reason: str | None) -> None:
    """Let a suspended agent work again."""
    asyncio.run(_move(place, client_id, reason, suspending=False))
    click.echo(f"{client_id} is active.")


async def _move(place: Place, client_id: str, reason: str | None, *, suspending: bool) -> None:
    async with place.store() as store:
        by = {"by": f"command line, {operator()}"} | ({"reason": reason} if reason else {})
        await (suspend_agent if suspending else resume_agent)(store, SystemClock(), client_id, **by)
        if place.sqlite is not None:
            # PostgreSQL tells its servers. Those over a file notice it, so what we say next is true of them, too.
            await asyncio.sleep(2 * WATCH_SECONDS)
