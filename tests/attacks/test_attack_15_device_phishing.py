"""Attack 15: somebody sends Ada a device link of their own (RFC 8628 section 5.4, BCP 247)."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import httpx2
import pytest
from tests.fixtures.asking import DEVICE
from tests.fixtures.browser import Browser
from tests.fixtures.house import BROKER, House
from tests.ledger import proves

from remit_server.rules import user_code


async def start(house: House, client: str = "public") -> dict[str, Any]:
    form = {"scope": "openid offline_access trade:write", "audience": BROKER, **house.proof(client)}
    answer = await house.http.post("/oauth/device/code", data=form)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def poll(house: House, device_code: str) -> httpx2.Response:
    form = {"grant_type": DEVICE, "device_code": device_code, **house.proof("public")}
    return await house.http.post("/oauth/token", data=form)


async def confirm(house: House, device: dict[str, Any], browser: Browser | None = None) -> Browser:
    """Ada, signed in, has entered the code and sees who asks."""
    browser = browser or await house.sign_in()
    await browser.get("/device")
    await browser.submit(user_code=device["user_code"])
    assert "Did you start" in browser.page.text
    return browser


@proves("attack.device-phishing")
async def test_the_page_names_who_asks_from_where_and_what_for(house: House) -> None:
    device = await start(house)
    browser = await confirm(house, device)
    for told in (
        "Terminal",
        device["user_code"],
        "127.0.0.1",
        "place orders",
        "go on while you are away",
        "Ada Lovelace",
    ):
        assert told in browser.page.text, told
    await browser.submit(press=("answer", "allow"))
    house.clock.forward(1)
    assert (await poll(house, device["device_code"])).status_code == 200


@proves("attack.device-phishing")
async def test_the_complete_link_decides_nothing(house: House) -> None:
    device = await start(house)
    browser = await house.sign_in()
    page = await browser.get(device["verification_uri_complete"])
    assert page.status_code == 200
    assert device["user_code"] in page.text
    assert (await poll(house, device["device_code"])).json()["error"] == "authorization_pending"
    await browser.submit()
    assert "Did you start" in browser.page.text, "the code is entered; nothing is allowed yet"
    house.clock.forward(6)
    assert (await poll(house, device["device_code"])).json()["error"] == "authorization_pending"


@proves("attack.device-phishing")
async def test_who_is_not_signed_in_signs_in_first_and_still_decides(house: House) -> None:
    device = await start(house)
    browser = house.browser()
    await browser.get(device["verification_uri_complete"])
    assert browser.form.action.startswith("/login")
    await house.sign_in("ada", browser)
    assert (await poll(house, device["device_code"])).json()["error"] == "authorization_pending"
    await browser.submit()
    await browser.submit(press=("answer", "deny"))
    house.clock.forward(6)
    assert (await poll(house, device["device_code"])).json()["error"] == "access_denied"


@proves("attack.device-phishing", "page.csrf")
async def test_another_site_cannot_answer_for_her(house: House) -> None:
    device = await start(house)
    browser = await confirm(house, device)
    csrf = browser.form.value("csrf")
    assert csrf
    sent = {"user_code": device["user_code"], "answer": "allow"}
    elsewhere = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert (await browser.post("/device/answer", sent)).status_code == 403
    assert (await browser.post("/device/answer", {**sent, "csrf": "0" * 64})).status_code == 403
    assert (await browser.post("/device/answer", {**sent, "csrf": csrf}, headers=elsewhere)).status_code == 403
    other = await house.sign_in("bob")
    assert (await other.post("/device/answer", {**sent, "csrf": csrf})).status_code == 403
    assert (await poll(house, device["device_code"])).json()["error"] == "authorization_pending"


@proves("attack.device-guessing")
async def test_guessing_is_stopped_per_network_even_by_a_right_code(house: House) -> None:
    device = await start(house)
    browser = await house.sign_in()
    for _ in range(10):
        await browser.get("/device")
        wrong = "".join(secrets.choice(user_code.ALPHABET) for _ in range(8))
        answer = await browser.submit(user_code=wrong)
        assert answer.status_code == 409
        assert "not known" in answer.text
    await browser.get("/device")
    blocked = await browser.submit(user_code=device["user_code"])
    assert blocked.status_code == 429
    assert blocked.headers.get("retry-after") or "ten minutes" in blocked.text
    house.clock.forward(601)
    fresh = await start(house)
    await confirm(house, fresh, browser)


@proves("attack.device-guessing")
async def test_guessing_from_many_networks_is_stopped_altogether(house: House) -> None:
    from remit_server.ui.pages import device as page

    now, once = house.clock.now(), house.store.once
    for _ in range(page.WRONG_FROM_ALL):
        await house.store.commit(*once.attempt("user code", now, page.WINDOW))
    device = await start(house)
    browser = await house.sign_in()
    await browser.get("/device")
    assert (await browser.submit(user_code=device["user_code"])).status_code == 429


@proves("attack.device-off")
async def test_a_client_that_may_not_cannot_start(house: House) -> None:
    answer = await house.http.post("/oauth/device/code", data={"scope": "openid", **house.proof("web")})
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


@pytest.mark.parametrize("kind", ["spent", "expired", "denied"])
async def test_a_code_that_is_over_is_like_one_that_never_was(house: House, kind: str) -> None:
    device = await start(house)
    browser = await confirm(house, device)
    if kind == "expired":
        house.clock.forward(601)
    else:
        await browser.submit(press=("answer", "allow" if kind == "spent" else "deny"))
    await browser.get("/device")
    answer = await browser.submit(user_code=device["user_code"])
    assert answer.status_code == 409
    assert "not known" in answer.text


@proves("race.device-code")
async def test_fifty_redemptions_one_wins(any_house: House) -> None:
    house = any_house
    device = await start(house)
    browser = await confirm(house, device)
    await browser.submit(press=("answer", "allow"))
    answers = await asyncio.gather(*(poll(house, device["device_code"]) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 49
    assert {answer.json()["error"] for answer in answers if answer.status_code == 400} == {"invalid_grant"}
