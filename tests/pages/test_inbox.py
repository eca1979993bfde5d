"""The live inbox: over ASGI as a browser's EventSource would read it, and in Chromium."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect
from tests.fixtures.asking import answer, asked, own_app, waiting
from tests.fixtures.browser import Browser
from tests.fixtures.house import House, built
from tests.fixtures.town import chromium_running, town_at
from tests.ledger import proves

from remit_server.approvals.channels import inbox


class Reader:
    """An EventSource without a browser."""

    def __init__(self) -> None:
        self.status = 0
        self.ended = asyncio.Event()
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self.leave = asyncio.Event()
        self._asked = False

    async def receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self._pieces.put_nowait(message.get("body", b""))

    async def next(self) -> tuple[str, dict[str, Any], int]:
        """(event, data, id) of the next message."""
        async with asyncio.timeout(5):
            while True:
                lines = dict(
                    line.split(": ", 1) for line in (await self._pieces.get()).decode().splitlines() if ": " in line[1:]
                )
                if "event" in lines:
                    return lines["event"], json.loads(lines["data"]), int(lines.get("id", 0))

    @property
    def silent(self) -> bool:
        return self._pieces.empty()


@asynccontextmanager
async def reading(
    house: House, browser: Browser | None, query: str = "after=0", last: str = ""
) -> AsyncIterator[Reader]:
    cookies = "; ".join(f"{each.name}={each.value}" for each in browser.http.cookies.jar) if browser else ""
    headers = [(b"cookie", cookies.encode())] + ([(b"last-event-id", last.encode())] if last else [])
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": "/approvals/events", "raw_path": b"/approvals/events", "root_path": "", "query_string": query.encode(),
        "headers": headers, "client": ("127.0.0.1", 4711), "server": ("127.0.0.1", 8080),
    }  # fmt: skip
    reader = Reader()

    async def run() -> None:
        await house.app(scope, reader.receive, reader.send)
        reader.ended.set()

    task = asyncio.create_task(run())
    try:
        while not reader.status:
            await asyncio.sleep(0.01)
            assert not task.done() or reader.status, task
        yield reader
    finally:
        reader.leave.set()
        async with asyncio.timeout(5):
            await task


@proves("channels.live-inbox")
async def test_a_new_request_comes_and_goes(any_house: House) -> None:
    house = any_house
    ada, bob = await house.sign_in("ada"), await house.sign_in("bob")
    async with reading(house, ada) as hers, reading(house, bob) as his:
        await asked(house)
        kind, row, _ = await hers.next()
        assert kind == "asked"
        assert row["agent"] == "Trading assistant"
        assert row["act"].startswith("buy 10")
        assert row["href"] == f"/approvals/{row['id']}"
        app = await own_app(house)
        await answer(house, app, (await waiting(house, app))[0])
        assert (await hers.next())[:2] == ("closed", {"id": row["id"]})
        await asyncio.sleep(0.05)
        while not his.silent:
            assert b"data" not in his._pieces.get_nowait(), "nobody sees another person's request"


@proves("channels.live-inbox")
async def test_a_page_that_comes_back_misses_nothing(any_house: House) -> None:
    house = any_house
    ada = await house.sign_in()
    async with reading(house, ada) as reader:
        await asked(house)
        _, first, place = await reader.next()
    await asked(house, binding_message="Another")
    async with reading(house, ada, "after=0", last=str(place)) as reader:
        kind, second, _ = await reader.next()
        assert kind == "asked"
        assert second["id"] != first["id"]


@proves("channels.live-inbox")
async def test_it_ends_at_sign_out(any_house: House) -> None:
    house = any_house
    ada = await house.sign_in()
    async with reading(house, ada) as reader:
        await ada.get("/logout")
        await ada.submit(press=("answer", "sign_out"))
        assert (await reader.next())[0] == "over"
        async with asyncio.timeout(5):
            await reader.ended.wait()


async def test_only_for_who_is_signed_in_and_not_too_often(house: House) -> None:
    async with reading(house, None) as reader:
        assert reader.status == 400
    ada = await house.sign_in()
    for query in ("after=-1", "after=x", "after=" + "9" * 30):
        async with reading(house, ada, query) as reader:
            assert reader.status == 400
    readers = [reading(house, ada) for _ in range(inbox.MOST)]
    for each in readers:
        await each.__aenter__()
    async with reading(house, ada) as reader:
        assert reader.status == 429
    await readers[0].__aexit__(None, None, None)
    async with reading(house, ada) as reader:
        assert reader.status == 200, "who left made room"
    for each in readers[1:]:
        await each.__aexit__(None, None, None)


async def test_a_server_that_stops_does_not_wait_for_it(house: House) -> None:
    async with reading(house, await house.sign_in()) as reader:
        house.machines.background.leaving.set()
        async with asyncio.timeout(5):
            await reader.ended.wait()


@proves("channels.live-inbox")
async def test_another_node_is_heard(postgresql_url: str) -> None:
    async with (
        built(postgresql_url) as one,
        built(postgresql_url) as other,
        reading(one, await one.sign_in()) as reader,
    ):
        await asyncio.sleep(0.1)
        began = asyncio.get_running_loop().time()
        await asked(other)
        assert (await reader.next())[0] == "asked"
        assert asyncio.get_running_loop().time() - began < 3


@pytest.mark.browser
@proves("channels.live-inbox")
async def test_in_a_browser(tmp_path: Path) -> None:
    async with chromium_running() as chromium, town_at(tmp_path, chromium) as town:
        ada = await town.signed_in()
        await ada.open("/approvals")
        agent = await town.house.store.clients.get("agent")
        assert agent
        await expect(ada.page.get_by_text("Nothing waits for you.")).to_be_visible()
        await asked(town.house)
        row = ada.page.locator("#waiting-rows a.row")
        await expect(row).to_be_visible(timeout=3000)
        await expect(row).to_contain_text("buy 10")
        await expect(row.locator("time")).to_contain_text("5:00")
        await expect(ada.page).to_have_title("(1) Approvals · remit")
        await expect(row.locator(".badge.unusual")).to_have_text("first order for ZEKO")
        app = await own_app(town.house)
        (waits,) = await waiting(town.house, app)
        card = await ada.page.context.new_page()
        await card.goto(f"{town.house.issuer}approvals/{waits['id']}")
        news = card.get_by_text("Something has changed here.")
        await expect(news).to_be_hidden()
        await answer(town.house, app, waits)
        await expect(news).to_be_visible(timeout=3000)
        await expect(row).to_have_count(0, timeout=3000)
        await expect(ada.page.get_by_text("Nothing waits for you.")).to_be_visible()
        assert ada.findings == []
