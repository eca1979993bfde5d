"""`remit people forget-second-factor`"""

from __future__ import annotations

import asyncio

import click

from remit_server.cli.place import Place, operator, with_place
from remit_server.identity.enrol import forget
from remit_server.runtime.clock import SystemClock


@click.group()
def command() -> None:
    """Help somebody who lost their second factor."""


@command.command()
@click.argument("person")
@with_place
def forget_second_factor(place: Place, person: str) -> None:
    """Let PERSON, an e-mail address or a user id, sign in with the password alone until they set up another.

    Their authenticator app and all their passkeys are forgotten.

    Make sure first that it is them who asks: this is the way around the second factor.
    """

    async def run() -> None:
        async with place.store() as store:
            await forget(store, SystemClock(), person, by=f"command line, {operator()}")

    asyncio.run(run())
    click.echo(f"The second factor of {person} is forgotten.")
