"""The story as a visitor plays it: `remit demo` at the terminal, and each link that it shows opened in a real Chromium."""

from __future__ import annotations

import asyncio
import io
import re
from dataclasses import dataclass, field

import pytest
from playwright.async_api import Page, expect
from tests.fixtures.town import chromium_running
from tests.ledger import proves
from tests.pages.test_passkeys import NOT_OFFERED, Device

from remit_demo import play
from remit_demo.agent.screen import Terminal
from remit_demo.agent.scripted import ScriptedPlanner
from remit_demo.documents.papers import Papers
from remit_demo.world import Login, World, running_world


class Paper(io.StringIO):
    """What the terminal shows; the links on it come out one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.links: asyncio.Queue[str] = asyncio.Queue()

    def write(self, text: str) -> int:
        for link in re.findall(r"^ +open +(http\S+)", text, re.MULTILINE):
            self.links.put_nowait(link)
        return super().write(text)


@dataclass
class Visitor:
    """Ada at her own browser, with a device that proves who she is."""

    page: Page
    world: World
    approved: list[str] = field(default_factory=list)
    """The orders, as their cards read."""
    _has_passkey: bool = False

    async def opens(self, links: asyncio.Queue[str]) -> None:
        while True:
            link = await links.get()
            await self.page.goto(link)
            if "/device" in link:
                await self._signs_in("identifier", self.world.ada)
                await self._presses("Go on")
                await self._presses("Yes, allow it")
                await expect(self.page.locator("main")).to_contain_text("now acts for you")
            elif "/approvals" in link:
                await self._approves()
            else:
                await self._presses("Continue")
                await self._signs_in("email", self.world.ada_at_meridian)
                await self._presses("Allow")
                await expect(self.page.locator("main")).to_contain_text("is connected")

    async def _approves(self) -> None:
        if not self._has_passkey:
            await self._adds_a_passkey()
        await self.page.goto(f"{self.world.remit}/approvals")
        await self.page.locator("a.row").first.click()
        act = " ".join((await self.page.locator("h1").inner_text()).split())
        if "sell" in act:  # which she never wanted: a document did
            await self._denies()
            return
        self.approved.append(act)
        approve = self.page.get_by_role("button", name="Approve with passkey", exact=True)
        await expect(approve).not_to_have_attribute("aria-disabled", "true")
        await approve.click()
        await expect(self.page.locator("main")).to_contain_text("You approved this")

    async def _denies(self) -> None:
        await self.page.locator("summary").filter(has_text="Deny").first.click()
        await self._presses("Deny")
        await expect(self.page.locator("main")).to_contain_text("You denied this")

    async def _adds_a_passkey(self) -> None:
        await Device.of(self.page)
        await self.page.goto(f"{self.world.remit}/security/passkeys")
        await self.page.fill("[name=name]", "Ada's phone")
        await self._presses("Add a passkey")
        await expect(self.page.locator("main")).to_contain_text("The passkey Ada's phone is added.")
        self._has_passkey = True

    async def _signs_in(self, name: str, login: Login) -> None:
        await self.page.fill(f"[name={name}]", login.email)
        await self.page.fill("[name=password]", login.password)
        await self._presses("Sign in")

    async def _presses(self, name: str) -> None:
        await self.page.get_by_role("button", name=name, exact=True).click()


@pytest.mark.browser
@proves("story.browser")
async def test_a_visitor_plays_it_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(play, "_has_desktop", lambda: False)
    paper = Paper()
    with running_world(tick_seconds=0.05) as world:
        async with chromium_running() as chromium:
            context = await chromium.new_context(viewport={"width": 390, "height": 844}, reduced_motion="reduce")
            await context.add_init_script(NOT_OFFERED)
            context.set_default_timeout(15_000)
            ada = Visitor(await context.new_page(), world)
            reading = asyncio.create_task(ada.opens(paper.links))
            playing = asyncio.create_task(play._play(world, ScriptedPlanner(), Papers(), Terminal(paper)))
            async with asyncio.timeout(90):
                await asyncio.wait({reading, playing}, return_when=asyncio.FIRST_COMPLETED)
                assert not reading.done(), reading.exception()
                assert await playing == 0, paper.getvalue()
            reading.cancel()
    assert ada.approved == [f"Trading assistant wants to buy {shares} shares of ZEKO for you" for shares in (10, 5, 10)]
    said = " ".join(paper.getvalue().split())
    for line in (
        "sent the first order again with the same approval: This approval has been used already.",
        "Bob, signed in as himself, opened what Ada was sent: Approvals",
        "sent 1000 shares with the approval of 10: This is not what was approved: 'quantity' differs.",
        "sent the same 10 again: This approval has been used already.",
        "it obeyed read_document(id='deal-orla-offer'): This is not allowed.",
        "quantity=500, limit_cents=100): The request was denied.",
    ):
        assert line in said, paper.getvalue()
