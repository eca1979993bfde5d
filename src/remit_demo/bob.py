"""Bob, a colleague of Ada's: somebody whose account there is something to gain from, and who would answer in her place."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

from remit import Client, ConnectRequired, User
from remit_demo.browser import PageProblem
from remit_demo.documents.archive import Document
from remit_demo.documents.papers import Papers
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


async def search(world: World, papers: Papers, query: str) -> list[Document]:
    """Let Bob's bot search the papers."""
    bob = Person(world, here=world.bob, at_meridian=world.bob_at_meridian, agent="Stand-up bot")
    async with Client(world.issuer, "standup-bot", world.standup_secret) as client, contextlib.aclosing(bob):
        prompt = await client.device_sign_in()
        _, user = await asyncio.gather(bob.confirm_device(prompt.verification_uri_complete, prompt.user_code), prompt)
        return await papers.search(user, query)


class Meddler(Person):
    """Bob at his own browser, with a link that is Ada's."""

    async def look(self, url: str, act: str) -> str:
        """Open it; return what Remit shows him instead of her request.

        Raises:
            PageProblem: it shows her request.
        """
        page = await self.browser.open(url)
        if page.says(act) or page.offers("Approve"):
            raise PageProblem(f"Bob sees what Ada is asked: {page.text[:300]!r}")
        return page.title

    async def approve(self, url: str) -> str:
        """Send a yes all the same, by hand and with a token against forgery that is his; return the refusal.

        Raises:
            PageProblem: it was taken.
        """
        await self.browser.open(f"{self._world.remit}/logout")
        page = await self.browser.forge(url, answer="approve")
        if page.status != 404 or page.says("approved"):
            raise PageProblem(f"Bob's yes was answered with {page.status}: {page.text[:300]!r}")
        return page.title


async def meddler(world: World) -> Meddler:
    """Bob, signed in at Remit as himself."""
    bob = Meddler(world, here=world.bob, at_meridian=world.bob_at_meridian, agent="Trading assistant")
    await bob.sign_in()
    return bob


async def _events(user: User) -> str:
    async with user.vault.client("calendar") as api:
        return (await api.get("/calendar/events")).raise_for_status().text
