"""The way back to the app in a real browser: its form-action holds for redirects, too, and must not keep a person here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from playwright.async_api import Page, async_playwright
from tests.fixtures.house import BROKER, PASSWORD, House, built, request_of, sqlite
from tests.interop.live import bound, listening
from tests.ledger import proves
from tests.needs import need

from remit_server.records import Client
from remit_server.runtime.clock import SystemClock

pytestmark = pytest.mark.browser


@dataclass
class App:
    """The client's own server: it notes how people arrive."""

    url: str = ""
    arrived: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if scope["path"] == "/callback":
            sent = body.decode() if scope["method"] == "POST" else scope["query_string"].decode()
            self.arrived.append((scope["method"], dict(parse_qsl(sent))))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": b"<title>The app</title>"})


@dataclass
class Street:
    house: House
    app: App
    page: Page
    complaints: list[str]

    async def authorize(self, **params: str) -> None:
        """Through sign-in and consent with the mouse, as a person would."""
        query = urlencode(request_of("desk", redirect_uri=f"{self.app.url}/callback", audience=BROKER, **params))
        await self.page.goto(f"{self.house.issuer}authorize?{query}")
        await self.page.fill("[name=identifier]", "ada@example.com")
        await self.page.fill("[name=password]", PASSWORD)
        await self.page.click("button.go")
        await self.page.click("button[value=allow]")


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    app = App()
    at, port = bound()
    theirs, their_port = bound()
    app.url = f"http://127.0.0.1:{their_port}"
    desk = Client(
        id="desk", name="Desk", auth_methods=("none",), redirect_uris=(f"{app.url}/callback",),
        grants=("authorization_code",), apis={BROKER: ("trade:write",)},
    )  # fmt: skip
    async with (
        built(sqlite(tmp_path), desk, clock=SystemClock(), issuer=f"http://127.0.0.1:{port}/") as house,
        listening(house.app, at),
        listening(app, theirs),
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(
            executable_path=need("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = await browser.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        yield Street(house, app, page, complaints)
        await browser.close()


@proves("page.way-back")
async def test_after_sign_in_and_consent_the_person_arrives_at_the_app(street: Street) -> None:
    await street.authorize()
    await street.page.wait_for_url(f"{street.app.url}/callback?**")
    ((method, sent),) = street.app.arrived
    assert (method, sent["state"], sent["iss"]) == ("GET", "st-4711", street.house.issuer)
    assert "code" in sent
    assert not [line for line in street.complaints if "Security Policy" in line]


@proves("page.way-back")
async def test_form_post_goes_by_itself(street: Street) -> None:
    await street.authorize(response_mode="form_post")
    await street.page.wait_for_url(f"{street.app.url}/callback")
    ((method, sent),) = street.app.arrived
    assert method == "POST"
    assert sent.keys() == {"code", "state", "iss"}
    assert not [line for line in street.complaints if "Security Policy" in line]
