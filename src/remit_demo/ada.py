"""Ada without hands: what she does with each link that the assistant offers, for ``remit demo --check``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from remit_demo.person import Person
from remit_demo.world import World

Errand = Callable[[str, str | None], Awaitable[None]]


class Ada(Person):
    """Reads each page before she presses a button.

    Args:
        world: whose pages they are.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world, here=world.ada, at_meridian=world.ada_at_meridian, agent="Trading assistant")
        self._has_passkey = False

    async def find(self, url: str, act: str) -> str:
        """Open her inbox and the request in it; return the request's own address."""
        await self.browser.open(url)
        if not self.browser.page.offers("Approve"):
            await self.browser.follow(act)
        return self.browser.page.url

    def approve(self, act: str, facts: Sequence[str]) -> Errand:
        """Return the errand of finding a request in the inbox, checking it, and approving it with her passkey."""

        async def approve(url: str, _code: str | None) -> None:
            if not self._has_passkey:
                await self._add_passkey()
            await self.find(url, act)
            self.browser.page.must_say(act, *facts)
            page = await self.browser.press("Approve")
            page.must_say("You approved this")

        return approve

    def deny(self, act: str) -> Errand:
        """Return the errand of finding a request in the inbox and saying no to it."""

        async def deny(url: str, _code: str | None) -> None:
            await self.find(url, act)
            page = await self.browser.press("Deny")
            page.must_say("You denied this")

        return deny

    async def _add_passkey(self) -> None:
        await self.browser.open(f"{self._world.remit}/security/passkeys")
        await self._until("Add a passkey")
        page = await self.browser.press("Add a passkey", {"name": "Ada's phone"})
        page.must_say("The passkey Ada's phone is added.")
        self._has_passkey = True
