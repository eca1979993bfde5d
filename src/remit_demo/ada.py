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

    def approve(self, act: str, facts: Sequence[str]) -> Errand:
        """Return the errand of finding a request in the inbox, checking it, and approving it."""

        async def approve(url: str, _code: str | None) -> None:
            await self.browser.open(url)
            if not self.browser.page.offers("Approve"):
                await self.browser.follow(act)
            page = self.browser.page
            page.must_say(act, *facts)
            page = await self.browser.press("Approve")
            page.must_say("You approved this")

        return approve
