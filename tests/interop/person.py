"""The person beside a client: opens what it says to open, signs in, reads, and answers."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.fixtures.asking import answer, own_app, waiting
from tests.fixtures.browser import Browser
from tests.fixtures.house import PASSWORD
from tests.interop.live import Borrowing, Live, Reached


class Person:
    def __init__(self, server: Reached, browser: Browser, name: str) -> None:
        self._server, self._browser, self._name = server, browser, name

    @property
    def _live(self) -> Live:
        assert isinstance(self._server, Live), "this is asked beside a server in this process only"
        return self._server

    async def asked(self, ask: str, **about: Any) -> Any:
        """What a script asks, by the name of one of the methods below."""
        return await getattr(self, ask)(**about)

    async def authorize(self, url: str) -> str:
        """Follow an authorization request through sign-in and consent; the URL that the browser is sent back with."""
        await self._browser.get(url)
        for _ in range(4):
            if self._browser.left_for:
                return self._browser.left_for
            if not await self._signs_in():
                await self._browser.submit(press=("answer", "allow"))
        raise AssertionError(f"no way through: {self._browser.page.text}")

    async def leave(self, url: str) -> str | None:
        """Open a sign-out link; the URL that the browser is sent to afterwards."""
        await self._browser.get(url)
        return self._browser.left_for

    async def connect(self, url: str) -> str | None:
        """Open a connect link and agree at the provider; the URL that the browser is sent back with."""
        assert isinstance(self._server, Borrowing), "there is a vault, and a provider"
        await self._browser.get(url)
        await self._signs_in()
        await self._server.vault.follow(str(self._browser.page.request.url), self._name, browser=self._browser)
        return self._browser.left_for

    async def opens(self, url: str, **said: Any) -> str | None:
        """Open a page that a client shows: a connect link, or one's inbox, where the only request there is gets its answer."""
        if "/connect?" in url:
            return await self.connect(url)
        app = await own_app(self._live.house, f"auth0|{self._name}")
        (approval,) = await waiting(self._live.house, app)
        return await self._answered(app, approval, **said)

    async def calls(self, what: str) -> int:
        """How often the server has been asked this so far."""
        return self._live.calls.count(what)

    async def device(self, url: str, answer: str = "allow") -> str:
        """Open the page of a device code, type the code, and answer; the page's last words."""
        await self._browser.get(url)
        for _ in range(4):
            if await self._signs_in():
                continue
            if self._browser.form.action == "/device/answer":
                await self._browser.submit(press=("answer", answer))
                break
            await self._browser.submit()
        return self._browser.page.text

    async def approval(self, message: str, answer: str = "approve", **said: Any) -> str:
        """Answer the request with this message in an app of one's own; its state afterwards."""
        house = self._live.house
        app = await own_app(house, f"auth0|{self._name}")
        for _ in range(50):
            mine = [each for each in await waiting(house, app) if each["binding_message"] == message]
            if mine:
                return await self._answered(app, mine[0], answer=answer, **said)
            await asyncio.sleep(0.1)
        raise AssertionError(f"nobody asks {message!r}")

    async def _answered(self, app: dict[str, str], approval: dict[str, Any], **said: Any) -> str:
        done = await answer(self._live.house, app, approval, **said)
        assert done.status_code == 200, done.text
        return str(done.json()["state"])

    async def _signs_in(self) -> bool:
        """Whether the page wanted that."""
        assert self._browser.page.status_code == 200, self._browser.page.text
        if self._browser.form.action != "/login":
            return False
        await self._browser.submit(identifier=f"{self._name}@example.com", password=PASSWORD)
        return True
