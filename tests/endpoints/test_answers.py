"""What a person can say to a request: yes, yes to less, no in several ways, and "tell me first"."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.fixtures.asking import ORDER, answer, ask, asked, own_app, poll, seen, waiting
from tests.fixtures.house import APIS, BROKER, House, built, sqlite
from tests.ledger import proves

from remit_server.approvals.channels.notice import notice_of
from remit_server.approvals.endpoints import bc_authorize
from remit_server.catalog.load import detail_types
from remit_server.records import DetailType, Lending, Organisation, Policy
from remit_server.rules.details import digest
from remit_server.rules.thread import LONGEST_QUESTION, LONGEST_REPLY, MOST_QUESTIONS

LESS = {**ORDER, "quantity": 8}


async def reply(house: House, auth_req_id: str, text: str | None, **params: Any) -> Any:
    sent = {"auth_req_id": auth_req_id, "text": text, **house.proof("agent"), **params}
    return await house.http.post("/approvals/reply", data={k: v for k, v in sent.items() if v is not None})


async def open_request(house: House, **params: Any) -> tuple[str, dict[str, str], dict[str, Any]]:
    request, app = await asked(house, **params), await own_app(house)
    (approval,) = await waiting(house, app)
    return request["auth_req_id"], app, approval


# How much is at stake


async def test_the_card_says_what_is_at_stake(tmp_path: Path) -> None:
    async with built(sqlite(tmp_path), risky=True) as house:
        _, _, approval = await open_request(house)
    assert approval["risk"] == "high"
    assert approval["unusual"] == ["first order for ZEKO"]
    assert approval["editable"] == [{"quantity": "down"}]
    assert approval["can"] == ["edit", "ask", "remember"]
    assert len(approval["nonce"]) == 43


async def test_what_was_approved_before_is_usual(house: House) -> None:
    _, app, approval = await open_request(house)
    assert (await answer(house, app, approval)).status_code == 200
    _, _, again = await open_request(house)
    assert again["unusual"] == []
    await answer(house, app, again, answer="deny")
    _, _, more = await open_request(house, authorization_details=json.dumps([{**ORDER, "quantity": 40}]))
    assert more["unusual"] == ["4× your usual order size"]


async def test_of_a_request_without_details_nothing_is_at_stake(house: House) -> None:
    _, _, approval = await open_request(house, authorization_details=None, scope="openid")
    assert (approval["risk"], approval["can"], approval["editable"]) == ("low", ["ask"], [])


# Less


@proves("approval.edited")
async def test_the_person_approves_less_and_the_token_carries_that(any_house: House) -> None:
    house = any_house
    request, app, approval = await open_request(house)
    said = (await answer(house, app, approval, details=[LESS])).json()
    assert said["approved_details"] == [LESS]
    assert said["authorization_details"] == [ORDER], "what was asked stays as it was"
    assert said["changes"] == ["Shares: 10 × ZEKO → 8 × ZEKO", "At most: 412.00 USD → 329.60 USD"]
    body = (await poll(house, request)).json()
    assert body["authorization_details"] == [LESS]
    assert body["approval"] == {
        "id": approval["id"], "digest": digest((LESS,)), "edited": True, "changes": said["changes"]
    }  # fmt: skip
    form = {"token": body["access_token"], **house.proof("broker-api")}
    assert (await house.http.post("/oauth/introspect", data=form)).json()["authorization_details"] == [LESS]
    (event,) = await house.events("approval.approved")
    assert (event.about["digest"], event.about["asked"]) == (digest((LESS,)), digest((ORDER,)))


async def test_without_edits_it_says_so(house: House) -> None:
    request, app, approval = await open_request(house)
    await answer(house, app, approval)
    told = (await poll(house, request)).json()["approval"]
    assert told == {"id": approval["id"], "digest": approval["digest"], "edited": False, "changes": []}


@pytest.mark.parametrize(
    ("details", "error"),
    [
        ([{**ORDER, "quantity": 11}], "quantity can only be edited down"),
        ([{**ORDER, "quantity": 0}], "quantity does not fit"),
        ([{**ORDER, "ticker": "MERI"}], "ticker cannot be edited"),
        ([{**ORDER, "limit": {"amount": 4000, "currency": "USD"}}], "limit cannot be edited"),
        ([{**ORDER, "note": "now"}], "does not fit"),
        ([{"type": "payment"}], "cannot be edited into this"),
        ([LESS, LESS], "adds nothing"),
        ([], "1 to 10"),
    ],
)
@proves("approval.edited-only-narrower")
async def test_an_edit_is_only_to_less(house: House, details: list[Any], error: str) -> None:
    request, app, approval = await open_request(house)
    refused = await answer(house, app, approval, details=details)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_authorization_details")
    assert error in refused.json()["error_description"]
    assert (await poll(house, request)).json()["error"] == "authorization_pending"


@pytest.mark.parametrize(
    "said",
    [
        {"answer": "deny", "details": [LESS]},
        {"answer": "deny", "text": "why"},
        {"answer": "deny", "remember": {"times": 1, "expires_at": 2}},
        {"answer": "approve", "reason": "fine"},
        {"answer": "approve", "block": True},
        {"answer": "approve", "stop": True},
        {"answer": "ask", "text": "why", "report": True},
        {"answer": "ask", "text": "why", "details": []},
        {"answer": "deny", "reason": "x" * 201},
        {"answer": "perhaps"},
        {"answer": "approve", "unknown": 1},
        {"version": "1"},
    ],
)
async def test_an_answer_says_one_thing(house: House, said: dict[str, Any]) -> None:
    request, app, approval = await open_request(house)
    refused = await answer(house, app, approval, **said)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    assert (await poll(house, request)).json()["error"] == "authorization_pending"


# Asking back


@proves("approval.asked-back")
async def test_a_question_reaches_the_agent_and_its_reply_the_person(any_house: House) -> None:
    house = any_house
    request, app, approval = await open_request(house)
    said = (await answer(house, app, approval, answer="ask", text="Why ten?\nI have enough.")).json()
    assert said["state"] == "info_requested"
    assert said["version"] == approval["version"] + 1
    pending = (await poll(house, request)).json()
    assert pending["error"] == "authorization_pending"
    assert pending["interaction"] == {
        "question": "Why ten?\nI have enough.", "asked_by": "auth0|ada", "asked_at": house.clock.now(),
        "reply_uri": house.issuer + "approvals/reply",
    }  # fmt: skip
    answered = await reply(house, request, "It fell below your limit.")
    assert (answered.status_code, answered.json()) == (200, {"expires_in": 300, "interval": 5})
    (again,) = await waiting(house, app)
    assert [(each["by"], each["text"]) for each in again["thread"]] == [
        ("person", "Why ten?\nI have enough."), ("agent", "It fell below your limit.")
    ]  # fmt: skip
    house.clock.forward(6)
    assert "interaction" not in (await poll(house, request)).json()
    assert (await answer(house, app, approval)).status_code == 409, "what was said since was not seen"
    assert (await answer(house, app, again)).json()["state"] == "approved"
    assert (await poll(house, request)).status_code == 200
    kinds = [event.kind for event in reversed(await house.events()) if event.kind.startswith("approval.")]
    assert kinds == [
        "approval.asked", "approval.question", "approval.answered_question", "approval.approved", "approval.taken"
    ]  # fmt: skip


async def test_a_question_that_stays_open_may_be_answered_over(house: House) -> None:
    request, app, approval = await open_request(house)
    asked_back = (await answer(house, app, approval, answer="ask", text="Why?")).json()
    assert asked_back["can"] == ["edit", "remember"]
    second = await answer(house, app, asked_back, answer="ask", text="Hello?")
    assert second.status_code == 409
    assert (await answer(house, app, asked_back, answer="deny")).json()["state"] == "denied"
    assert (await reply(house, request, "Because.")).json()["error"] == "conflict"


async def test_a_question_prolongs_nothing(house: House) -> None:
    request, app, approval = await open_request(house)
    await answer(house, app, approval, answer="ask", text="Why?")
    house.clock.forward(300)
    assert (await reply(house, request, "Because.")).json()["error"] == "expired_token"
    assert (await poll(house, request)).json()["error"] == "expired_token"
    assert (await seen(house, await own_app(house)))["state"] == "expired"


async def test_so_many_questions_and_no_more(house: House) -> None:
    request, app, approval = await open_request(house)
    for n in range(MOST_QUESTIONS):
        approval = (await answer(house, app, approval, answer="ask", text=f"And {n}?")).json()
        assert (await reply(house, request, f"So {n}.")).status_code == 200
        (approval,) = await waiting(house, app)
    assert "ask" not in approval["can"]
    refused = await answer(house, app, approval, answer="ask", text="And?")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    assert len((await seen(house, app))["thread"]) == 2 * MOST_QUESTIONS


@pytest.mark.parametrize("text", ["", " \n ", "x" * (LONGEST_QUESTION + 1), "pay \u202e001", "a\u200bb", "\x1b[2J"])
async def test_a_question_that_cannot_be_asked(house: House, text: str) -> None:
    _, app, approval = await open_request(house)
    refused = await answer(house, app, approval, answer="ask", text=text)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    assert (await seen(house, app))["state"] == "pending"


@pytest.mark.parametrize(
    "text",
    [None, "", "x" * (LONGEST_REPLY + 1), "pay \u202e001", "a\u200bb", "see https://evil.example", "go to evil.com"],
)
async def test_a_reply_that_may_not_be_shown(house: House, text: str | None) -> None:
    request, app, approval = await open_request(house)
    await answer(house, app, approval, answer="ask", text="Why?")
    refused = await reply(house, request, text)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    assert (await seen(house, app))["state"] == "info_requested"


async def test_a_reply_that_nobody_asked_for(house: House) -> None:
    request, app, _ = await open_request(house)
    refused = await reply(house, request, "By the way")
    assert (refused.status_code, refused.json()["error"]) == (409, "conflict")
    assert (await seen(house, app))["thread"] == []


async def test_another_client_does_not_reply(house: House) -> None:
    request, app, approval = await open_request(house)
    await answer(house, app, approval, answer="ask", text="Why?")
    for params in (house.proof("service"), house.proof("web")):
        assert (await reply(house, request, "Because.", **params)).json()["error"] == "invalid_grant"
    assert (await reply(house, "another", "Because.")).json()["error"] == "invalid_grant"
    assert (await reply(house, request, "Because.", client_secret="wrong")).status_code == 401


async def test_two_replies_at_once_one_counts(any_house: House) -> None:
    house = any_house
    request, app, approval = await open_request(house)
    await answer(house, app, approval, answer="ask", text="Why?")
    replies = await asyncio.gather(*(reply(house, request, f"Because {n}.") for n in range(6)))
    assert sorted(each.status_code for each in replies) == [200] + [409] * 5
    assert len((await seen(house, app))["thread"]) == 2


async def test_a_client_that_is_pushed_to_cannot_be_asked_back(house: House) -> None:
    clients = house.store.clients
    agent = await clients.get("agent")
    assert agent is not None
    pushed = replace(
        agent, backchannel_token_delivery_mode="push", backchannel_client_notification_endpoint="https://a.example/"
    )
    await house.store.commit(clients.put(pushed))
    _, app, approval = await open_request(house, client_notification_token="8d67dc78-7faa-4d41-aabd-67707b374255")
    assert "ask" not in approval["can"]
    refused = await answer(house, app, approval, answer="ask", text="Why?")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")


@proves("approval.asked-back")
async def test_a_held_poll_hears_a_question_at_once(any_house: House) -> None:
    house = any_house
    request, app, approval = await open_request(house)
    form = {"grant_type": "urn:openid:params:grant-type:ciba", "auth_req_id": request, **house.proof("agent")}
    held = asyncio.create_task(house.http.post("/oauth/token", data=form, headers={"Prefer": "wait=20"}))
    await asyncio.sleep(0.1)
    await answer(house, app, approval, answer="ask", text="Why?")
    async with asyncio.timeout(5):
        assert (await held).json()["interaction"]["question"] == "Why?"


async def test_the_person_hears_of_a_reply(house: House) -> None:
    webhooks = {"webhooks": [{"name": "desk", "url": "https://desk.example/", "secret": "whsec_" + "A" * 32}]}
    await house.store.commit(house.store.organisation.put(Organisation(channels=webhooks)))
    request, app, approval = await open_request(house)
    (first,) = await house.store.deliveries.due(house.clock.now(), 10)
    await house.store.commit(house.store.deliveries.end(first))
    await answer(house, app, approval, answer="ask", text="Why?")
    assert await house.store.deliveries.due(house.clock.now(), 10) == []
    asked_first = await house.store.approvals.get(approval["id"])
    assert (await reply(house, request, "Because.")).status_code == 200
    assert len(await house.store.deliveries.due(house.clock.now(), 10)) == 1
    replied = await house.store.approvals.get(approval["id"])
    assert asked_first is not None
    assert replied is not None
    before, after = [await notice_of(house.machines, each, private=False) for each in (asked_first, replied)]
    assert (before.title, after.title) == (
        "Trading assistant asks for your approval", "Trading assistant has replied to you"
    )  # fmt: skip
    assert before.name != after.name, "programs that drop what they have seen show it"


# No, and never again


@proves("approval.blocked")
async def test_deny_and_block(house: House) -> None:
    _, app, approval = await open_request(house)
    assert (await answer(house, app, approval, answer="deny", reason="not me", block=True)).status_code == 200
    refused = await ask(house, binding_message="Again")
    assert (refused.status_code, refused.json()["error"]) == (403, "access_denied")
    listed = (await house.http.get("/me/v1/blocked-agents", headers=app)).json()["agents"]
    assert listed == [{"client_id": "agent", "name": "Trading assistant", "blocked_at": house.clock.now()}]
    assert (await house.http.delete("/me/v1/blocked-agents/agent", headers=app)).status_code == 204
    assert (await house.http.delete("/me/v1/blocked-agents/agent", headers=app)).status_code == 404
    house.clock.forward(60)
    assert (await ask(house, binding_message="Again")).status_code == 200
    assert (await house.http.put("/me/v1/blocked-agents/agent", headers=app)).status_code == 204
    assert (await house.http.put("/me/v1/blocked-agents/agent", headers=app)).status_code == 204
    assert (await house.http.put("/me/v1/blocked-agents/nobody", headers=app)).status_code == 404
    assert (await ask(house, binding_message="And again")).status_code == 403
    kinds = [event.kind for event in reversed(await house.events()) if event.kind.startswith("agent.")]
    assert kinds == ["agent.blocked", "agent.unblocked", "agent.blocked"]


async def test_a_report_reaches_the_company(house: House) -> None:
    _, app, approval = await open_request(house)
    await answer(house, app, approval, answer="deny", reason="this is not my order", report=True)
    (event,) = await house.events("agent.reported")
    assert event.about == {"reason": "this is not my order", "approval": approval["id"]}
    path = "/me/v1/agents/agent/report"
    assert (await house.http.post(path, json={"reason": "it lies"}, headers=app)).status_code == 204
    assert (await house.events("agent.reported"))[0].about["reason"] == "it lies"
    for bad in ({"reason": ""}, {"reason": "x" * 201}, {}, [], {"reason": "x", "more": 1}):
        assert (await house.http.post(path, json=bad, headers=app)).json()["error"] == "invalid_request"
    assert (await house.http.post("/me/v1/agents/nobody/report", json={"reason": "x"}, headers=app)).status_code == 404


@proves("approval.stopped")
async def test_stopping_an_agent_ends_all_that_it_has_of_the_person(any_house: House) -> None:
    house = any_house
    tokens = await house.tokens_for("agent", scope="openid offline_access trade:write", audience=BROKER)
    of_bob = await house.tokens_for("agent", "bob", scope="openid offline_access trade:write", audience=BROKER)
    app = await own_app(house)
    approved = await asked(house, binding_message="First")
    (first,) = await waiting(house, app)
    remember = {
        "times": 5,
        "expires_at": house.clock.now() + 86400,
        "per_act": 10**6,
        "total": 10**6,
        "currency": "USD",
    }
    assert (await answer(house, app, first, remember=remember)).status_code == 200
    other = {**ORDER, "quantity": 900}
    pending = await asked(house, authorization_details=json.dumps([other]))
    bobs = await asked(house, user="auth0|bob")
    for user in ("auth0|ada", "auth0|bob"):
        lent = Lending(account_id="ca_1", user_id=user, client_id="agent", created_at=house.clock.now())
        await house.store.commit(house.store.lendings.put(lent))
    await house.http.post("/me/v1/agents/agent/stop", headers=app)
    assert [each.user_id for each in await house.store.lendings.of_client("agent")] == ["auth0|bob"]

    async def good(token: str) -> bool:
        form = {"token": token, **house.proof("agent")}
        return bool((await house.http.post("/oauth/introspect", data=form)).json()["active"])

    assert not await good(tokens["access_token"])
    assert not await good(tokens["refresh_token"])
    assert await good(of_bob["access_token"]), "what others gave it is theirs"
    for request in (approved, pending):
        refused = (await poll(house, request["auth_req_id"])).json()
        assert (refused["error"], refused["denied_by"]) == ("access_denied", "auth0|ada")
    assert (await poll(house, bobs["auth_req_id"])).json()["error"] == "authorization_pending"
    (allowance,) = (await house.http.get("/me/v1/allowances", headers=app)).json()["allowances"]
    assert not allowance["holds"]
    assert (await ask(house)).status_code == 403, "and it does not ask again"
    assert len(await house.events("agent.stopped")) == 1
    assert (await house.http.post("/me/v1/agents/nobody/stop", headers=app)).status_code == 404


async def test_deny_and_stop_is_one_answer(house: House) -> None:
    request, app, approval = await open_request(house)
    await asked(house, binding_message="Another")
    assert (await answer(house, app, approval, answer="deny", reason="not me", stop=True)).status_code == 200
    assert (await poll(house, request)).json()["reason"] == "not me"
    assert await waiting(house, app) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/me/v1/allowances"),
        ("DELETE", "/me/v1/allowances/al_1"),
        ("GET", "/me/v1/blocked-agents"),
        ("PUT", "/me/v1/blocked-agents/agent"),
        ("DELETE", "/me/v1/blocked-agents/agent"),
        ("POST", "/me/v1/agents/agent/report"),
        ("POST", "/me/v1/agents/agent/stop"),
    ],
)
async def test_no_agent_sees_or_moves_its_own_bounds(house: House, method: str, path: str) -> None:
    for client in ("agent", "stranger"):
        refused = await house.http.request(method, path, headers=await own_app(house, client=client))
        assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
    assert (await house.http.request(method, path)).status_code == 401


# Yes ahead


def bounds(house: House, **changes: Any) -> dict[str, Any]:
    return {
        "times": 3, "expires_at": house.clock.now() + 7 * 86400, "per_act": 50_000, "total": 100_000, "currency": "USD",
        **changes,
    }  # fmt: skip


async def allowed(house: House, **changes: Any) -> dict[str, str]:
    """Ada has allowed orders ahead; her app."""
    request, app, approval = await open_request(house)
    said = await answer(house, app, approval, remember=bounds(house, **changes))
    assert said.status_code == 200, said.text
    assert (await poll(house, request)).status_code == 200
    return app


async def buy(house: House, quantity: int = 10, **params: Any) -> dict[str, Any]:
    order = json.dumps([{**ORDER, "quantity": quantity}])
    request = await asked(house, authorization_details=order, **params)
    body: dict[str, Any] = (await poll(house, request["auth_req_id"])).json()
    return body


async def test_an_allowance_that_was_given_with_a_press_covers_nothing_of_high_risk(house: House) -> None:
    await allowed(house)
    kind = await house.store.detail_types.get("trade_order")
    assert kind is not None
    risky = replace(kind, document={**kind.document, "risk": "high"})
    await house.store.commit(house.store.detail_types.put(risky))
    assert (await buy(house))["error"] == "authorization_pending"


@proves("allowance.answers")
async def test_what_is_allowed_ahead_is_answered_at_once_and_recorded(any_house: House) -> None:
    house = any_house
    app = await allowed(house)
    body = await buy(house)
    assert body["authorization_details"] == [ORDER]
    approval = await seen(house, app)
    (allowance,) = (await house.http.get("/me/v1/allowances", headers=app)).json()["allowances"]
    assert approval["allowance_id"] == allowance["id"]
    assert (allowance["uses"], allowance["spent"], allowance["holds"]) == (1, 41_200, True)
    assert [event.kind for event in (await house.events())[:4]] == [
        "approval.taken", "approval.approved", "allowance.used", "approval.asked"
    ]  # fmt: skip
    assert (await buy(house))["authorization_details"] == [ORDER]
    assert (await buy(house))["error"] == "authorization_pending", "the third would be more than was allowed"


@proves("allowance.not-overspent")
async def test_requests_at_once_do_not_spend_more_than_was_allowed(any_house: House) -> None:
    house = any_house
    app = await allowed(house, times=10_000, total=3 * 41_200)
    requests = await asyncio.gather(*(asked(house, binding_message=f"Number {n}") for n in range(8)))
    answers = await asyncio.gather(*(poll(house, each["auth_req_id"]) for each in requests))
    assert sorted(each.status_code for each in answers) == [200] * 3 + [400] * 5
    assert len(await waiting(house, app)) == 5
    (allowance,) = (await house.http.get("/me/v1/allowances", headers=app)).json()["allowances"]
    assert allowance["spent"] == allowance["total"]


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": 13},
        {"scope": "openid trade:write portfolio:read"},
        {"user": "auth0|bob"},
    ],
)
async def test_what_is_beyond_it_is_asked(house: House, changes: dict[str, Any]) -> None:
    await allowed(house)
    assert (await buy(house, **changes))["error"] == "authorization_pending"


async def test_limits_hold(house: House) -> None:
    await allowed(house, limits={"side": "buy", "ticker": "MERI"})
    assert (await buy(house))["error"] == "authorization_pending"


async def test_what_an_allowance_answers_is_no_yes_that_makes_good(house: House) -> None:
    """Who has heard no three times waits, however often it did meanwhile what it may."""
    app = await allowed(house)
    for quantity in (901, 902, 903):
        _, _, approval = await open_request(house, authorization_details=json.dumps([{**ORDER, "quantity": quantity}]))
        await answer(house, app, approval, answer="deny")
    assert (await buy(house))["authorization_details"] == [ORDER], "what it may, it may"
    refused = await ask(house, authorization_details=json.dumps([{**ORDER, "quantity": 904}]))
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")


@pytest.mark.parametrize("how", ["revoked", "expired"])
async def test_an_allowance_that_is_over(house: House, how: str) -> None:
    app = await allowed(house)
    if how == "revoked":
        (allowance,) = (await house.http.get("/me/v1/allowances", headers=app)).json()["allowances"]
        path = f"/me/v1/allowances/{allowance['id']}"
        bob = await own_app(house, "auth0|bob")
        assert (await house.http.delete(path, headers=bob)).status_code == 404
        assert (await house.http.delete(path, headers=app)).status_code == 204
        assert (await house.http.delete(path, headers=app)).status_code == 404
    else:
        house.clock.forward(7 * 86400)
        app = await own_app(house)
    assert (await buy(house))["error"] == "authorization_pending"
    (allowance,) = (await house.http.get("/me/v1/allowances", headers=app)).json()["allowances"]
    assert allowance["holds"] is False


async def test_an_open_request_is_not_answered_by_an_allowance_that_came_later(house: House) -> None:
    """It is the same request, and has its card."""
    waits = await asked(house, binding_message="First")
    app = await own_app(house)
    (first,) = await waiting(house, app)
    request = await asked(house)
    second = next(each for each in await waiting(house, app) if each["id"] != first["id"])
    assert (await answer(house, app, second, remember=bounds(house))).status_code == 200
    assert (await poll(house, request["auth_req_id"])).status_code == 200
    assert (await asked(house, binding_message="First"))["auth_req_id"] == waits["auth_req_id"]
    assert len(await house.events("allowance.used")) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"times": 0},
        {"times": 10_001},
        {"expires_at": 0},
        {"expires_at": 2**40},
        {"per_act": 200_000},
        {"per_act": 0},
        {"currency": None},
        {"total": 2**60},
        {"limits": {"colour": "red"}},
        {"unknown": 1},
        {"times": "3"},
    ],
)
async def test_an_allowance_without_an_end_is_not_given(house: House, changes: dict[str, Any]) -> None:
    request, app, approval = await open_request(house)
    refused = await answer(house, app, approval, remember=bounds(house, **changes))
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    assert (await poll(house, request)).json()["error"] == "authorization_pending"
    assert (await house.http.get("/me/v1/allowances", headers=app)).json() == {"allowances": []}


@proves("allowance.never-for-high-risk")
async def test_what_is_of_high_risk_or_unknown_is_never_allowed_ahead(tmp_path: Path) -> None:
    document = dict(detail_types()["trade_order"].document)
    document["allowance"] = {"amount": "total"}  # of high risk, and not for the high
    broker = replace(APIS[0], undescribed_details=("anything",))
    async with built(sqlite(tmp_path), broker, DetailType(type="trade_order", document=document), risky=True) as strict:
        for details in ([ORDER], [{"type": "anything", "x": 1}]):
            _, app, approval = await open_request(strict, authorization_details=json.dumps(details))
            assert "remember" not in approval["can"]
            refused = await answer(strict, app, approval, remember=bounds(strict))
            assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
            await answer(strict, app, approval, answer="deny")


FORBID = Policy(
    name="test.cedar",
    text='permit(principal, action, resource); @reason("No trades today.") forbid(principal, action, resource);',
)


async def test_the_organisation_says_no_before_the_person_says_yes(house: House) -> None:
    request, app, approval = await open_request(house)
    await house.store.commit(house.store.policies.put(FORBID))
    refused = await answer(house, app, approval)
    assert (refused.status_code, refused.json()["error"]) == (400, "access_denied")
    assert (await poll(house, request)).json()["error"] == "authorization_pending"
    assert await house.events("approval.approved") == []


async def test_the_organisation_says_no_while_an_allowance_is_looked_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await allowed(house)

    async def asked_before_it_changed(*_: Any) -> None:
        await house.store.commit(house.store.policies.put(FORBID))

    monkeypatch.setattr(bc_authorize, "may_be_asked", asked_before_it_changed)
    assert (await buy(house))["error"] == "authorization_pending"
    assert await house.events("allowance.used") == []


async def test_the_organisation_still_has_its_say(house: House) -> None:
    """An allowance stands for the person, not for the company."""
    await allowed(house)
    agent = await house.store.clients.get("agent")
    assert agent is not None
    await house.store.commit(house.store.blocked_askers.add("auth0|ada", "agent", house.clock.now()))
    assert (await ask(house)).status_code == 403
