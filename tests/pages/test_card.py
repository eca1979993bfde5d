"""The card beyond yes and no, as a browser without JavaScript uses it: less, ahead, a question, and an agent to be rid of."""

from __future__ import annotations

import json
from html import unescape
from typing import Any

import pytest
from msgspec.structs import replace
from tests.fixtures.asking import ORDER, ask, asked, poll, spend
from tests.fixtures.browser import Browser, forms
from tests.fixtures.house import BROKER, House
from tests.ledger import proves
from tests.pages.test_approval_pages import approving, card, denying
from tests.pages.test_detail_cards import taking

from remit_server.catalog.load import detail_types
from remit_server.errors import InvalidDetails
from remit_server.records import Approval
from remit_server.ui import editing
from remit_server.ui.views.approvals import Field
from remit_server.wire.form import Form

TYPES = detail_types()
EXAMPLES = [example["details"] for kind in TYPES.values() for example in kind.document["examples"]]


def asking_for(*details: dict[str, Any]) -> Approval:
    return Approval(id="a", kind="ciba", client_id="agent", handle="h", details=details, digest="d")


def filled(fields: tuple[Field, ...]) -> dict[str, str]:
    """What a browser sends of fields that nobody touched."""
    sent: dict[str, str] = {}
    for field in fields:
        chosen = [option.value for option in field.options if option.chosen]
        if field.kind == "boxes":
            sent |= {field.name: "some", **{f"{field.name}.{value}": "on" for value in chosen}}
        else:
            sent[field.name] = chosen[0] if field.kind == "choice" else field.value
    return sent


def less(details: dict[str, Any], **typed: str | None) -> dict[str, Any]:
    """What the card makes of fields in which this was typed; None: not sent, as a box that is not ticked."""
    request = asking_for(details)
    sent = {**filled(editing.fields(request, TYPES)), **{f"e0.{name}": value for name, value in typed.items()}}
    form = Form((name, value) for name, value in sent.items() if value is not None)
    return editing.edited(request, form, TYPES)[0]


def of(type_: str) -> dict[str, Any]:
    return next(each for each in EXAMPLES if each["type"] == type_)


@pytest.mark.parametrize("details", EXAMPLES, ids=[each["type"] for each in EXAMPLES])
def test_fields_that_nobody_touched_change_nothing(details: dict[str, Any]) -> None:
    assert less(details) == details
    assert editing.edited(asking_for(details), Form([]), TYPES) == (details,)


def test_each_kind_of_field_says_less() -> None:
    assert less(ORDER, quantity="8")["quantity"] == 8
    paid = {**of("payment"), "instructed_amount": {"amount": 250050, "currency": "EUR"}}
    assert less(paid, instructed_amount="1,250.5")["instructed_amount"] == {"amount": 125050, "currency": "EUR"}
    sharing = {**of("file_sharing"), "people": ["a@example.com", "b@example.com"], "role": "edit"}
    assert less(sharing, **{"people.0": None})["people"] == ["b@example.com"]
    assert less(sharing, role="view")["role"] == "view"
    assert less(sharing, until="2026-11-30T09:00")["until"] == "2026-11-30T09:00:00Z"
    gone = {**of("deletion"), "permanent": True}
    assert less(gone, permanent="no")["permanent"] is False
    window = of("code_deploy")["window"]
    later = less(of("code_deploy"), **{"window.from": window["until"].removesuffix("Z")})["window"]
    assert later == {**window, "from": window["until"]}


@pytest.mark.parametrize(
    ("details", "typed", "says"),
    [
        (ORDER, {"quantity": "11"}, "Shares: a whole number, at most 10."),
        (ORDER, {"quantity": "0"}, "Shares: a whole number, at most 10."),
        (ORDER, {"quantity": "-1"}, "Shares: a whole number, at most 10."),
        (ORDER, {"quantity": "ten"}, "Shares: a whole number, at most 10."),
        (ORDER, {"quantity": "1,5"}, "Shares: a whole number, at most 10."),
        (ORDER, {"quantity": "9" * 400}, "Shares: a whole number, at most 10."),
        (ORDER, {"quantity": ""}, "Shares: a whole number, at most 10."),
        (of("payment"), {"instructed_amount": "1.505"}, "Amount: an amount in"),
        (of("payment"), {"instructed_amount": "1,5"}, "Amount: an amount in"),
        (of("file_sharing"), {"until": "2999-01-01T00:00"}, "Until: a time in UTC, not after"),
        (of("file_sharing"), {"until": "tomorrow"}, "Until: a time in UTC, not after"),
        ({**of("file_sharing"), "role": "view"}, {"role": "edit"}, "They may: choose one of these."),
        ({**of("file_sharing"), "role": "view"}, {"role": "own"}, "They may: choose one of these."),
    ],
)
@proves("approval.edited-only-narrower")
def test_what_is_not_less_is_refused_in_the_words_of_the_card(
    details: dict[str, Any], typed: dict[str, str], says: str
) -> None:
    with pytest.raises(InvalidDetails) as refused:
        less(details, **typed)
    assert refused.value.text.startswith(says)


def test_a_list_keeps_one_at_least() -> None:
    sharing = {**of("file_sharing"), "people": ["a@example.com", "b@example.com"]}
    with pytest.raises(InvalidDetails, match="leave one at least"):
        less(sharing, **{"people.0": None, "people.1": None})


@proves("approval.edited", "page.without-javascript")
async def test_she_approves_less(house: House) -> None:
    request = await asked(house)
    browser = await card(house)
    refused = await browser.submit(approving(browser), press=("answer", "approve"), **{"e0.quantity": "11"})
    assert refused.status_code == 400
    assert "Shares: a whole number, at most 10." in refused.text
    assert 'value="11"' in refused.text, "what she typed is still there"
    await browser.submit(approving(browser), press=("answer", "approve"), **{"e0.quantity": "8"})
    assert "with less than was asked" in browser.page.text
    assert "Shares: 10 × ZEKO → 8 × ZEKO" in browser.page.text
    assert (await poll(house, request["auth_req_id"])).json()["authorization_details"][0]["quantity"] == 8
    assert "you approved less" in (await browser.get("/approvals")).text


@proves("page.preview", "page.csrf")
async def test_a_preview_reads_and_answers_nothing(house: House) -> None:
    request = await asked(house)
    browser = await card(house)
    url, sent = f"{browser.page.request.url}/preview", dict(approving(browser).fields)
    said = (await browser.post(url, {**sent, "e0.quantity": "8", "answer": "approve"})).json()
    assert said == {"changed": True, "act": "buy 8 shares of ZEKO", "limit": "At most: 329.60 USD"}
    assert (await browser.post(url, sent)).json()["changed"] is False
    wrong = (await browser.post(url, {**sent, "e0.quantity": "99"})).json()
    assert wrong == {"changed": False, "error": "Shares: a whole number, at most 10."}
    assert (await browser.post(url, {**sent, "csrf": "0" * 64})).status_code == 403
    bob = await house.sign_in("bob")
    assert (await bob.post(url, sent)).status_code in {403, 404}
    assert (await poll(house, request["auth_req_id"])).json()["error"] == "authorization_pending"


AHEAD = {
    "remember": "yes", "ahead_times": "2", "ahead_each": "412.00", "ahead_total": "500", "limit.ticker": "on",
    "limit.account": "on",
}  # fmt: skip


def ends(browser: Browser) -> str:
    """The end that the page offers first: 24 hours from now."""
    text = browser.page.text
    start = text.index('name="ahead_until" value="') + len('name="ahead_until" value="')
    return text[start : text.index('"', start)]


@proves("allowance.answers")
async def test_she_allows_the_like_ahead_and_takes_it_back(house: House) -> None:
    await taking(house, authorization_details=("trade_order",))
    await asked(house)
    browser = await card(house)
    for wrong in ({"ahead_times": "0"}, {"ahead_each": "1,5"}, {"ahead_until": "9" * 12}, {"ahead_total": ""}):
        sent = {**AHEAD, "ahead_until": ends(browser), **wrong}
        assert (await browser.submit(approving(browser), press=("answer", "approve"), **sent)).status_code == 400
    sent = {**AHEAD, "ahead_until": ends(browser)}
    await browser.submit(approving(browser), press=("answer", "approve"), **sent)
    assert "You approved this" in browser.page.text
    (given,) = await house.store.allowances.of_user("auth0|ada")
    assert given.limits == {"ticker": "ZEKO", "account": "...4821"}
    assert (given.times, given.per_act, given.total, given.currency) == (2, 41200, 50000, "USD")
    assert given.expires_at - house.clock.now() == 86400
    again = await asked(house, authorization_details=json.dumps([{**ORDER, "quantity": 2}]))
    assert (await poll(house, again["auth_req_id"])).status_code == 200
    assert "allowed ahead" in (await browser.get("/approvals")).text
    page = unescape((await browser.get("/allowances")).text)
    for told in ("Order at a broker", "<dd>ZEKO</dd>", "82.40 USD of 500.00 USD", "1 of 2 times", "Broker"):
        assert told in page, told
    bob = await house.sign_in("bob")
    await bob.get("/approvals")
    assert "ZEKO" not in (await bob.get("/allowances")).text
    await browser.submit(next(form for form in forms(browser.page.text) if form.action.endswith("/revoke")))
    assert "It is taken back." in browser.page.text
    await asked(house, authorization_details=json.dumps([{**ORDER, "quantity": 3}]))
    assert "buy 3 shares" in (await browser.get("/approvals")).text.partition("Lately")[0]


@proves("approval.asked-back", "page.escaping")
async def test_she_asks_back_and_reads_the_reply(house: House) -> None:
    request = await asked(house)
    browser = await card(house)
    url = str(browser.page.request.url)
    question = next(form for form in forms(browser.page.text) if ("answer", "ask") in form.buttons)
    assert (await browser.submit(question, press=("answer", "ask"), question=" ")).status_code == 400
    await browser.submit(question, press=("answer", "ask"), question="Why <b>ten</b>?")
    assert "Why &lt;b&gt;ten&lt;/b&gt;?" in browser.page.text
    assert "No reply yet" in browser.page.text
    assert "Waiting for the agent" in (await browser.get("/approvals")).text
    form = {**house.proof("agent"), "auth_req_id": request["auth_req_id"], "text": "You said ten.\n<i>On Monday.</i>"}
    assert (await house.http.post("/approvals/reply", data=form)).status_code == 200
    assert "replied to you" in (await browser.get("/approvals")).text
    await browser.get(url)
    assert "Trading assistant</bdi> says" in browser.page.text
    assert '<p dir="auto">&lt;i&gt;On Monday.&lt;/i&gt;</p>' in browser.page.text
    await browser.submit(approving(browser), press=("answer", "approve"))
    assert "You approved this" in browser.page.text


@proves("approval.blocked")
async def test_she_denies_blocks_and_reports_and_lets_it_ask_again(house: House) -> None:
    await asked(house)
    browser = await card(house)
    sent = {"reason": "not_me", "block": "yes", "report": "yes"}
    await browser.submit(denying(browser), press=("answer", "deny"), **sent)
    assert "You denied this" in browser.page.text
    (reported,) = await house.events("agent.reported")
    assert reported.about["reason"] == "Not me"
    assert (await ask(house)).status_code == 403
    await browser.get("/allowances")
    assert "Agents that may not ask you" in browser.page.text
    await browser.submit(next(form for form in forms(browser.page.text) if form.action.endswith("/unblock")))
    assert "It may ask you again." in browser.page.text
    house.clock.forward(3600)
    assert (await ask(house)).status_code == 200


@proves("approval.stopped")
async def test_before_she_stops_an_agent_she_reads_what_ends(house: House) -> None:
    tokens = await house.tokens_for("agent", scope="openid trade:write", audience=BROKER)
    request = await asked(house)
    browser = await card(house)
    url = f"{browser.page.request.url}/stop"
    page = await browser.get(url)
    for told in (
        "Stop <bdi>Trading assistant</bdi>?",
        "every token that it has of you",
        "One request of it is refused.",
    ):
        assert told in page.text, told
    assert (await poll(house, request["auth_req_id"])).json()["error"] == "authorization_pending", (
        "a look stops nothing"
    )
    assert (await (await house.sign_in("bob")).get(url)).status_code == 404
    await browser.get(url)
    assert (await browser.post(url, {"csrf": "0" * 64})).status_code == 403
    await browser.get(url)
    await browser.submit(report="yes")
    assert "It is stopped" in browser.page.text
    assert len(await house.events("agent.reported")) == len(await house.events("agent.stopped")) == 1
    form = {"token": tokens["access_token"], **house.proof("agent")}
    assert (await house.http.post("/oauth/introspect", data=form)).json() == {"active": False}


async def test_who_asks_for_the_first_time_is_shown_as_such(house: House) -> None:
    await asked(house)
    browser = await card(house)
    assert "has never asked you before" in browser.page.text
    await browser.submit(approving(browser), press=("answer", "approve"))
    house.clock.forward(7200)
    await asked(house, authorization_details=json.dumps([{**ORDER, "quantity": 5}]))
    again = await card(house)
    assert "has never asked you before" not in again.page.text
    assert "last asked 2 h ago" in again.page.text


@proves("page.history")
async def test_what_the_api_used_is_shown_as_used(house: House) -> None:
    request = await asked(house)
    browser = await card(house)
    url = str(browser.page.request.url)
    await browser.submit(approving(browser), press=("answer", "approve"))
    token = (await poll(house, request["auth_req_id"])).json()["access_token"]
    assert (await spend(house, token, ORDER)).status_code == 200
    assert "and cannot be used again" in (await browser.get(url)).text
    broker = await house.store.clients.get("broker-api")
    assert broker is not None
    assert f"at <bdi>{broker.name}</bdi>" in browser.page.text


@proves("page.history")
async def test_history_by_agent_by_outcome_and_page_by_page(house: House) -> None:
    ada = await house.sign_in()
    assert "Nothing is over yet" in (await ada.get("/approvals/history")).text
    for number, state in enumerate(["approved", "denied", "expired", "pending"] * 20):
        at = house.clock.now() - 10_000 + number
        request = Approval(
            id=f"apr_{number:03}", kind="ciba", client_id="agent", handle=f"h{number}", user_id="auth0|ada",
            details=({**ORDER, "quantity": number + 1},), digest="d", created_at=at, state=state,  # type: ignore[arg-type]
            expires_at=at + 300, decided_at=at + 9, approved=({**ORDER, "quantity": number + 1},),
        )  # fmt: skip
        if state == "pending":
            request = replace(request, expires_at=house.clock.now() + 300, approved=())
        await house.store.commit(house.store.approvals.add(request))
    first = await ada.get("/approvals/history")
    assert first.text.count('class="row"') == 50
    assert first.text.count("never used") - first.text.count("Approved, never used") == 16
    start = first.text.index('href="/approvals/history?before=') + 6
    second = await ada.get(unescape(first.text[start : first.text.index('"', start)]))
    assert second.text.count('class="row"') == 10
    assert "Newest" in second.text
    for outcome, count in (("denied", 20), ("expired", 20), ("unused", 20), ("approved", 20)):
        assert (await ada.get(f"/approvals/history?outcome={outcome}")).text.count('class="row"') == count
    assert "Nothing here is like that" in (await ada.get("/approvals/history?agent=stranger")).text
    for odd in ("x", "-1.a", "9" * 30, "٣.a"):
        assert (await ada.get("/approvals/history", params={"before": odd})).status_code == 400
    assert (await (await house.sign_in("bob")).get("/approvals/history")).text.count('class="row"') == 0
