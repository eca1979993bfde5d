"""Bob, a colleague of Ada's, and his own agent: somebody whose account there is something to gain from."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

from remit import Client, ConnectRequired, User
from remit_demo.person import Person
from remit_demo.world import World


@dataclass(frozen=True, slots=True)
class Loot:
    """What a thief could know of Bob: the names of his account, and the tokens that his agent held."""

    names: tuple[str, ...]
    refresh_token: str = field(repr=False)
    vault_token: str = field(repr=False)
    read: str
    """What his agent read there, so that nobody is refused what would not have been there to be had."""


async def loot(world: World) -> Loot:
    """Let Bob sign in to his stand-up bot and connect his calendar, and return what leaks of it."""
    vault, kept = f"{world.remit}/vault/", list[str]()

    async def keep(token: str) -> None:
        kept.append(token)

    bob = Person(world, here=world.bob, at_meridian=world.bob_at_meridian, agent="Stand-up bot")
    async with Client(world.issuer, "standup-bot", world.standup_secret) as client, contextlib.aclosing(bob):
        prompt = await client.device_sign_in(scope="offline_access vault:proxy", audience=vault, on_rotate=keep)
        _, user = await asyncio.gather(bob.confirm_device(prompt.verification_uri_complete, prompt.user_code), prompt)
        try:
            await _events(user)
        except ConnectRequired as needed:
            await bob.connect(needed.url or "", None)
        read = await _events(user)
        token = await user.access_token(audience=vault, scopes=["vault:proxy"])
        page = await bob.browser.open(f"{world.remit}/accounts")
        (ours,) = {link.href.split("/")[2] for link in page.links if link.href.startswith("/accounts/")}
        return Loot((world.bob_id, world.bob_at_meridian.email, ours), kept[-1], token.reveal(), read)


async def _events(user: User) -> str:
    async with user.vault.client("calendar") as api:
        return (await api.get("/calendar/events")).raise_for_status().text
