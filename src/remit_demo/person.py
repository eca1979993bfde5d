"""People without hands: what they do with each link that an agent offers, read and pressed over HTTP."""

from __future__ import annotations

from remit_demo.browser import Browser, PageProblem
from remit_demo.phone import Phone
from remit_demo.world import Login, World

_MAX_PAGES = 10


class Person:
    """Reads each page before a button is pressed.

    Args:
        world: whose pages they are.
        here: the person's login at Remit.
        at_meridian: and at the other company.
        agent: the name of their agent, as pages show it.
    """

    def __init__(self, world: World, *, here: Login, at_meridian: Login, agent: str) -> None:
        self.browser = Browser(Phone(world.remit))
        self.sign_ins = 0
        self._world, self._here, self._at_meridian, self._agent = world, here, at_meridian, agent

    async def sign_in(self) -> None:
        """Sign in at Remit."""
        await self.browser.open(f"{self._world.remit}/login")
        await self._sign_in()

    async def confirm_device(self, url: str, code: str | None) -> None:
        """Sign in, compare the code with the terminal's, and say yes."""
        await self.browser.open(url)
        await self._until("Yes, allow")
        assert code is not None, "the assistant showed no code"
        self.browser.page.must_say(code, self._agent)
        page = await self.browser.press("Yes, allow")
        page.must_say("now acts for you")

    async def connect(self, url: str, _code: str | None) -> None:
        """Go to Meridian, sign in there, and allow what is asked."""
        await self.browser.open(url)
        await self._until("Allow")
        self.browser.page.must_say("See the events in your calendar")
        page = await self.browser.press("Allow")
        page.must_say("is connected")

    async def aclose(self) -> None:
        """Close the browser."""
        await self.browser.close()

    async def _sign_in(self) -> None:
        self.sign_ins += 1
        await self.browser.press("Sign in", {"identifier": self._here.email, "password": self._here.password})

    async def _until(self, button: str) -> None:
        """Sign in and go on, wherever that is asked for, until a page offers ``button``."""
        for _ in range(_MAX_PAGES):
            page = self.browser.page
            if page.offers(button):
                return
            at_meridian = page.url.startswith(self._world.meridian)
            if page.offers("Sign in") and at_meridian:
                login = self._at_meridian
                await self.browser.press("Sign in", {"email": login.email, "password": login.password})
            elif page.offers("Sign in"):
                await self._sign_in()
            elif page.offers("Continue"):
                await self.browser.press("Continue")
            elif page.offers("Go on"):
                await self.browser.press("Go on")
            elif any(link.label == "Go on" for link in page.links):
                await self.browser.follow("Go on")
            else:
                break
        raise PageProblem(f"no way to {button!r} from {self.browser.page.url}: {self.browser.page.text[:400]!r}")
