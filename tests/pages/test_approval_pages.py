"""The inbox and the card, as a browser without JavaScript uses them."""

from __future__ import annotations

import asyncio

import pytest
from tests.fixtures.asking import asked, poll
from tests.fixtures.browser import Browser, forms
from tests.fixtures.house import House
from tests.ledger import proves


async def card(house: House, user: str = "ada") -> Browser:
    """Signed in, and at the one request that waits."""
    browser = await house.sign_in(user)
    page = await browser.get("/approvals")
    start = page.text.index("/approvals/")
    await browser.get(page.text[start : page.text.index('"', start)])
    return browser


def approving(browser: Browser):  # type: ignore[no-untyped-def]
    return next(form for form in forms(browser.page.text) if ("answer", "approve") in form.buttons)


def denying(browser: Browser):  # type: ignore[no-untyped-def]
    return next(form for form in forms(browser.page.text) if ("answer", "deny") in form.buttons)


@proves("page.without-javascript")
async def test_she_reads_what_is_asked_and_approves(house: House) -> None:
    request = await asked(house)
    browser = await card(house)
    for told in (
        "Trading assistant",
        "buy 10 shares of ZEKO",
        "41.20 USD",
        "412.00 USD",
        "...4821",
        "Broker",
        "Buy 10 ZEKO",
    ):
        assert told in browser.page.text, told
    await browser.submit(approving(browser), press=("answer", "approve"))
    assert "You approved this" in browser.page.text
    assert "not used yet" in browser.page.text
    assert (await poll(house, request["auth_req_id"])).status_code == 200
    await browser.get(str(browser.page.request.url))
    assert "not used yet" in browser.page.text, "the agent has its token; no API has seen it"


async def test_she_denies_and_says_why(house: House) -> None:
    request = await asked(house)
    browser = await card(house)
    await browser.submit(
        denying(browser), press=("answer", "deny"), reason="wrong_amount", reason_text="ten is too many"
    )
    assert "You denied this" in browser.page.text
    refused = (await poll(house, request["auth_req_id"])).json()
    assert refused["error"] == "access_denied"
    assert refused["reason"] == "Wrong amount: ten is too many"


@proves("approval.own-user")
async def test_bob_does_not_see_it(house: House) -> None:
    await asked(house)
    browser = await card(house)
    url = str(browser.page.request.url)
    bob = await house.sign_in("bob")
    assert (await bob.get("/approvals")).text.count("ZEKO") == 0
    assert (await bob.get(url)).status_code == 404
    mine = approving(browser)
    sent = [*mine.fields, ("answer", "approve")]
    assert (await bob.post(url, sent)).status_code in {403, 404}


async def test_a_look_decides_nothing(house: House) -> None:
    request = await asked(house)
    browser = await card(house)
    url = str(browser.page.request.url)
    await browser.get(url + "?answer=approve")
    assert (await poll(house, request["auth_req_id"])).json()["error"] == "authorization_pending"


@proves("page.csrf")
@pytest.mark.parametrize("change", [{"csrf": "0" * 64}, {"csrf": ""}])
async def test_a_form_from_elsewhere(house: House, change: dict[str, str]) -> None:
    request = await asked(house)
    browser = await card(house)
    url = str(browser.page.request.url)
    sent = {**dict(approving(browser).fields), "answer": "approve"}
    assert (await browser.post(url, {**sent, **change})).status_code == 403
    assert (await browser.post(url, sent, headers={"Origin": "https://evil.example"})).status_code == 403
    assert (await poll(house, request["auth_req_id"])).json()["error"] == "authorization_pending"


async def test_other_details_than_she_saw(house: House) -> None:
    request = await asked(house)
    browser = await card(house)
    answer = await browser.submit(approving(browser), press=("answer", "approve"), digest="another")
    assert answer.status_code == 409
    assert "changed since you opened it" in answer.text
    assert (await poll(house, request["auth_req_id"])).json()["error"] == "authorization_pending"


async def test_a_double_click_counts_once(house: House) -> None:
    await asked(house)
    browser = await card(house)
    url = str(browser.page.request.url)
    sent = {**dict(approving(browser).fields), "answer": "approve"}
    both = await asyncio.gather(*(browser.http.post(url, data=sent, follow_redirects=False) for _ in range(2)))
    assert [answer.status_code for answer in both] == [303, 303]
    assert len(await house.events("approval.approved")) == 1
    late = await browser.post(url, {**dict(approving(browser).fields), "answer": "deny"})
    assert late.status_code == 409
    assert "was approved meanwhile" in late.text


async def test_it_expires_under_her_eyes(house: House) -> None:
    await asked(house)
    browser = await card(house)
    form = approving(browser)
    house.clock.forward(301)
    answer = await browser.submit(form, press=("answer", "approve"))
    assert answer.status_code == 409
    assert "Nothing happened" in answer.text


async def test_what_the_agent_did_not_fetch_in_time_is_not_still_waiting(house: House) -> None:
    request = await asked(house)
    browser = await card(house)
    await browser.submit(approving(browser), press=("answer", "approve"))
    house.clock.forward(600)
    await browser.get(str(browser.page.request.url))
    assert "It was never used" in browser.page.text
    assert "never used" in (await browser.get("/approvals")).text
    assert (await poll(house, request["auth_req_id"])).json()["error"] == "expired_token"


async def test_signed_out_she_signs_in_and_comes_back(house: House) -> None:
    await asked(house)
    browser = await card(house)
    url = str(browser.page.request.url)
    fresh = house.browser()
    await fresh.get(url)
    assert fresh.form.action.startswith("/login")
    await house.sign_in("ada", fresh)
    assert "buy 10 shares of ZEKO" in fresh.page.text


@proves("page.escaping")
async def test_what_the_agent_says_is_quoted_and_escaped(house: House) -> None:
    await asked(house, binding_message="<b>free</b> money & more")
    browser = await card(house)
    assert "<b>free" not in browser.page.text
    assert "&lt;b&gt;free" in browser.page.text
    assert "in its own words" in browser.page.text


@pytest.mark.parametrize("stale", ["7", "-1", "x", "", "1" * 40, "٣"])
async def test_another_state_than_she_saw(house: House, stale: str) -> None:
    request = await asked(house)
    browser = await card(house)
    answer = await browser.submit(approving(browser), press=("answer", "approve"), version=stale)
    assert answer.status_code in {400, 409}
    assert (await poll(house, request["auth_req_id"])).json()["error"] == "authorization_pending"


async def test_without_details_it_says_what_the_agent_may(house: House) -> None:
    await asked(house, authorization_details=None, scope="openid trade:write")
    browser = await house.sign_in()
    page = await browser.get("/approvals")
    start = page.text.index("/approvals/0")
    await browser.get(page.text[start : page.text.index('"', start)])
    assert "place orders" in browser.page.text
    assert "trade:write" not in browser.page.text
