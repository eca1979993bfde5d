"""Attack 9: what an agent writes must not pass for what Remit says, hide anything, or run, wherever a person reads it."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.fixtures.asking import ORDER, ask, own_app, waiting
from tests.fixtures.house import APIS, BROKER, House, built, sqlite
from tests.ledger import proves

from remit_server.rules.visible import hides

MARKUP = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><svg onload=alert(1)>', "</p></blockquote><h1>Remit</h1>",
    "' autofocus onfocus=alert(1) x='", "{{ 7 * 191 }}", "{% raw %}", "<!--", "&lt;b&gt;", "${7*191}",
)  # fmt: skip
HIDING = (
    "pay \u202e0001",
    "a\u200bb",
    "a\u2066b",
    "\x1b[2Jx",
    "a\u00adb",
    "x\U000e0041",
    "a\u2028Approve",
    "e" + "\u0301" * 9,
)
PAGES = ("/approvals", "/approvals/{id}", "/activity")


class Read(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
async def open_house(tmp_path: Path) -> AsyncIterator[House]:
    """The broker takes requests of a kind that nobody has described, so that any text gets as far as it can."""
    broker = replace(APIS[0], undescribed_details=("anything",))
    async with built(sqlite(tmp_path), broker) as house:
        yield house


async def named(house: House, **members: Any) -> None:
    clients = house.store.clients
    agent = await clients.get("agent")
    assert agent is not None
    await house.store.commit(clients.put(replace(agent, **members)), wakes=(clients.wake("agent"),))


async def read(house: House) -> list[Read]:
    """Every page on which the request shows, as Ada sees it."""
    (approval,) = await waiting(house, await own_app(house))
    browser = await house.sign_in()
    pages = []
    for path in PAGES:
        page = await browser.get(path.format(id=approval["id"]))
        assert page.status_code == 200, path
        pages.append(Read(page.text))
    return pages


def inert(page: Read, text: str) -> None:
    for tag, attributes in page.tags:
        assert tag not in {"svg", "iframe", "object", "embed", "base", "style"}, tag
        assert not any(name.startswith("on") for name in attributes), attributes
        assert tag != "script" or (attributes.get("src") or "").startswith("/static/"), attributes
        assert "evil.example" not in str(attributes), attributes
        assert tag != "img" or (attributes.get("src") or "").startswith(("/static/", "data:image/")), attributes
    assert [tag for tag, _ in page.tags].count("h1") == 1, "the heading is ours alone"
    assert "1337" not in page.text, "no template runs twice"
    assert not hides(page.text.replace("\n", "")), "all that is there is seen"
    assert not re.search("\u0301{4}", page.text), text


@proves("approval.inert")
@pytest.mark.parametrize("text", [*MARKUP, *HIDING])
async def test_in_the_name_and_purpose_of_a_client(house: House, text: str) -> None:
    await named(house, name=text, purpose=text)
    assert (await ask(house)).status_code == 200
    for page in await read(house):
        inert(page, text)


@proves("approval.inert")
@pytest.mark.parametrize("text", [*MARKUP, *HIDING])
async def test_in_every_place_of_a_rich_request(open_house: House, text: str) -> None:
    details = {"type": "anything", "note": text, text: "as a name", "deep": {"list": [text, {"inner": text}]}}
    answer = await ask(open_house, authorization_details=json.dumps([details]))
    if answer.status_code == 400:
        assert answer.json()["error"] == "invalid_authorization_details"
        details = {"type": "anything", "note": text}
        answer = await ask(open_house, authorization_details=json.dumps([details]))
        if answer.status_code == 400:
            assert hides(text), "only what hides is refused altogether"
            return
    assert answer.status_code == 200
    for page in await read(open_house):
        inert(page, text)


@pytest.mark.parametrize("text", [*MARKUP, *HIDING])
async def test_in_a_described_request(house: House, text: str) -> None:
    answer = await ask(house, authorization_details=json.dumps([{**ORDER, "account": text}]))
    if answer.status_code == 400:
        assert answer.json()["error"] == "invalid_authorization_details"
        return
    for page in await read(house):
        inert(page, text)


@proves("approval.inert")
@pytest.mark.parametrize("text", MARKUP)
async def test_in_a_binding_message_it_is_quoted_as_the_agents(house: House, text: str) -> None:
    assert (await ask(house, binding_message=text)).status_code == 200
    for page in await read(house):
        inert(page, text)
    (_, card, _) = await read(house)
    before, _, after = card.text.partition(text)
    assert after, "it is shown, whole"
    assert "in its own words" in before, "as the agent's words"
    assert "ZEKO" in before, "below what Remit itself says"


@pytest.mark.parametrize("text", HIDING[:-1])
async def test_a_binding_message_that_hides_is_refused(house: House, text: str) -> None:
    assert (await ask(house, binding_message=text)).json()["error"] == "invalid_binding_message"


@pytest.mark.parametrize("path", ["/me/v1/approvals"])
async def test_first_party_apps_get_text_as_text(house: House, path: str) -> None:
    await ask(house, binding_message="<b>bold</b>")
    answer = await house.http.get(path, headers=await own_app(house))
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["approvals"][0]["binding_message"] == "<b>bold</b>"
    assert answer.json()["approvals"][0]["audiences"] == [BROKER]
