"""Ada without hands: what she does with each link that the assistant offers, for ``remit demo --check``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from remit_demo.browser import Browser, PageProblem
from remit_demo.world import World

Errand = Callable[[str, str | None], Awaitable[None]]

_MAX_PAGES = 10


class Ada:
    """Reads each page before she presses a button.

    Args:
        world: whose pages they are.
    """

    def __init__(self, world: World) -> None:
        self.browser = Browser()
        self.sign_ins = 0
        self._world = world

    async def confirm_device(self, url: str, code: str | None) -> None:
        """Sign in, compare the code with the terminal's, and say yes."""
        await self.browser.open(url)
        await self._until("Yes, allow")
        assert code is not None, "the assistant showed no code"
        self.browser.page.must_say(code, "Trading assistant")
        page = await self.browser.press("Yes, allow")
        page.must_say("now acts for you")

    async def connect(self, url: str, _code: str | None) -> None:
        """Go to Meridian, sign in there, and allow what is asked."""
        await self.browser.open(url)
        await self._until("Allow")
        self.browser.page.must_say("See the events in your calendar")
        page = await self.browser.press("Allow")
        page.must_say("is connected")

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

    async def aclose(self) -> None:
        """Close her browser."""
        await self.browser.close()

    async def _until(self, button: str) -> None:
        """Sign in and go on, wherever that is asked for, until a page offers ``button``."""
        for _ in range(_MAX_PAGES):
            page = self.browser.page
            if page.offers(button):
                return
            at_meridian = page.url.startswith(self._world.meridian)
            if page.offers("Sign in") and at_meridian:
                login = self._world.ada_at_meridian
                await self.browser.press("Sign in", {"email": login.email, "password": login.password})
            elif page.offers("Sign in"):
                self.sign_ins += 1
                login = self._world.ada
                await self.browser.press("Sign in", {"identifier": login.email, "password": login.password})
            elif page.offers("Continue"):
                await self.browser.press("Continue")
            elif page.offers("Go on"):
                await self.browser.press("Go on")
            elif any(link.label == "Go on" for link in page.links):
                await self.browser.follow("Go on")
            else:
                break
        raise PageProblem(f"no way to {button!r} from {self.browser.page.url}: {self.browser.page.text[:400]!r}")
