"""`remit people forget-second-factor` and `choose-code`"""

from __future__ import annotations

import asyncio

import click

from remit_server.approvals.own_code import choose
from remit_server.cli.place import Place, operator, with_place
from remit_server.identity.enrol import forget
from remit_server.runtime.clock import SystemClock
from remit_server.runtime.passwords import Passwords


@click.group()
def command() -> None:
    """Help somebody who lost their second factor, or choose what agents must bring to ask them."""


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


@command.command()
@click.argument("person")
@click.password_option("--code", help="Asked for when it is not given.")
@with_place
def choose_code(place: Place, person: str, code: str) -> None:
    """Choose the code that an agent registered with `backchannel_user_code_parameter` must bring to ask PERSON.

    PERSON is an e-mail address or a user id. It is theirs to type, and to tell to those agents alone.
    """

    async def run() -> None:
        passwords = Passwords()
        try:
            async with place.store() as store:
                await choose(store, SystemClock(), passwords, person, code, by=f"command line, {operator()}")
        finally:
            passwords.close()

    asyncio.run(run())
    click.echo(f"{person} has a new code.")
