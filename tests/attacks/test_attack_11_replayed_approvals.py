"""Attack 11: an approval is used again, by somebody else, elsewhere, later; or a page is made to say yes to what nobody saw."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import pytest
from joserfc.jwk import ECKey
from msgspec.structs import replace
from tests.fixtures.asking import CIBA, ORDER, answer, ask, asked, bought, own_app, poll, seen, spend, waiting
from tests.fixtures.dpop import dpop_key, proof
from tests.fixtures.house import BROKER, NOTES, House
from tests.ledger import proves

OTHER = {**ORDER, "ticker": "MERI"}


@proves("approval.spent-once")
async def test_of_twenty_who_try_one_carries_it_out(any_house: House) -> None:
    house = any_house
    body = await bought(house)
    tries = await asyncio.gather(*(spend(house, body["access_token"], ORDER) for _ in range(20)))
    assert sorted(each.status_code for each in tries) == [200] + [409] * 19
    refused = next(each for each in tries if each.status_code == 409).json()
    assert (refused["error"], refused["spent_at"], refused["spent_by"]) == (
        "already_spent", house.clock.now(), "broker-api"
    )  # fmt: skip
    assert len(await house.events("approval.spent")) == 1
    assert len(await house.events("approval.not_spent")) == 19


@proves("approval.spent-once")
async def test_what_is_stopped_in_the_moment_of_its_use_is_not_carried_out(
    any_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, store = any_house, any_house.store
    body = await bought(house)
    read = store.approvals.by_grant

    async def stopped_next(grant_id: str) -> Any:
        found = await read(grant_id)
        await store.commit(store.grants.revoke(grant_id, house.clock.now(), "stopped"))
        return found

    monkeypatch.setattr(store.approvals, "by_grant", stopped_next)
    refused = await spend(house, body["access_token"], ORDER)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert await house.events("approval.spent") == []


@proves("approval.spent-once")
async def test_each_of_several_acts_once(any_house: House) -> None:
    house = any_house
    body = await bought(house, authorization_details=json.dumps([ORDER, OTHER, ORDER]))
    tries = await asyncio.gather(*(spend(house, body["access_token"], act) for act in (ORDER, OTHER) * 4))
    assert sorted(each.status_code for each in tries) == [200] * 3 + [409] * 5
    assert (await seen(house, await own_app(house)))["use"] == "used"


async def test_how_far_it_was_carried_out_shows(house: House) -> None:
    app = await own_app(house)
    body = await bought(house, authorization_details=json.dumps([ORDER, OTHER]))
    fresh = await seen(house, app)
    assert (fresh["use"], fresh.get("used_at")) == ("unused", None)
    house.clock.forward(5)
    await spend(house, body["access_token"], OTHER)
    part = await seen(house, app)
    assert (part["use"], part["used_at"], part["used_by"]) == ("partly_used", house.clock.now(), "broker-api")
    await spend(house, body["access_token"], ORDER)
    assert (await seen(house, app))["use"] == "used"


@pytest.mark.parametrize("how", ["not fetched", "expired", "stopped"])
async def test_approved_and_never_used_shows(house: House, how: str) -> None:
    if how == "not fetched":
        await asked(house)
        app = await own_app(house)
        (approval,) = await waiting(house, app)
        await answer(house, app, approval)
        house.clock.forward(600)
    else:
        body = await bought(house)
        if how == "expired":
            house.clock.forward(300)
        else:
            await house.http.post("/me/v1/agents/agent/stop", headers=await own_app(house))
        assert (await spend(house, body["access_token"], ORDER)).json()["error"] == "invalid_grant"
    assert (await seen(house, await own_app(house)))["use"] == "never_used"


@proves("approval.replayed")
async def test_an_approval_is_fetched_once_and_not_renewed(any_house: House) -> None:
    house = any_house
    request, app = await asked(house, scope="openid offline_access trade:write"), await own_app(house)
    (approval,) = await waiting(house, app)
    await answer(house, app, approval)
    taken = await asyncio.gather(*(poll(house, request["auth_req_id"]) for _ in range(8)))
    assert sorted(each.status_code for each in taken) == [200] + [400] * 7
    body = next(each for each in taken if each.status_code == 200).json()
    assert "refresh_token" not in body


@proves("approval.replayed")
async def test_a_token_for_one_api_is_spent_at_no_other(house: House) -> None:
    broker = await house.store.clients.get("broker-api")
    assert broker is not None
    await house.store.commit(house.store.clients.put(replace(broker, id="notes-api", api=NOTES)))
    body = await bought(house)
    refused = await spend(house, body["access_token"], ORDER, api="notes-api")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")


async def test_tries_without_end_do_not_fill_the_history(house: House) -> None:
    body = await bought(house)
    tries = [await spend(house, body["access_token"], OTHER) for _ in range(63)]
    assert [each.status_code for each in tries] == [403] * 60 + [429] * 3
    assert int(tries[-1].headers["retry-after"]) > 0
    assert len(await house.events("approval.not_spent")) == 60
    assert (await spend(house, body["access_token"], ORDER)).status_code == 200, "what was approved may be done"


async def test_nothing_is_done_any_more_for_somebody_who_is_blocked(house: House) -> None:
    body = await bought(house)
    ada = await house.store.users.get("auth0|ada")
    assert ada
    await house.store.commit(house.store.users.put(replace(ada, state="blocked")))
    refused = await spend(house, body["access_token"], ORDER)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")


@proves("approval.replayed")
async def test_a_token_without_an_approval_permits_no_act(house: House) -> None:
    tokens = await house.tokens_for("agent", scope="openid trade:write", audience=BROKER)
    refused = await spend(house, tokens["access_token"], ORDER)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    unsaid = await bought(house, authorization_details=None)
    assert (await spend(house, unsaid["access_token"], ORDER)).json()["error"] == "invalid_grant"


@proves("approval.replayed")
async def test_another_key_neither_fetches_nor_replies(house: House) -> None:
    mine, thief = dpop_key(), dpop_key()

    async def post(path: str, key: ECKey | None, **form: str) -> httpx2.Response:
        headers = {"DPoP": proof(house, key, path)} if key else {}
        return await house.http.post(path, data={**form, **house.proof("agent")}, headers=headers)

    details = json.dumps([ORDER])
    request = await post(
        "/bc-authorize", mine, scope="openid trade:write", audience=BROKER, authorization_details=details,
        login_hint="auth0|ada",
    )  # fmt: skip
    auth_req_id, app = request.json()["auth_req_id"], await own_app(house)
    (approval,) = await waiting(house, app)
    await answer(house, app, approval, answer="ask", text="Why?")
    for key in (None, thief):
        refused = await post("/approvals/reply", key, auth_req_id=auth_req_id, text="Because")
        assert refused.json()["error"] == "invalid_grant"
    assert (await post("/approvals/reply", mine, auth_req_id=auth_req_id, text="Because")).status_code == 200
    (again,) = await waiting(house, app)
    await answer(house, app, again)
    for key in (None, thief):
        refused = await post("/oauth/token", key, auth_req_id=auth_req_id, grant_type=CIBA)
        assert refused.json()["error"] == "invalid_grant"
    assert (await post("/oauth/token", mine, auth_req_id=auth_req_id, grant_type=CIBA)).status_code == 200


# Pages and persons


@proves("approval.stale")
@pytest.mark.parametrize("second", ["approve", "deny", "ask"])
async def test_a_second_click_decides_nothing(any_house: House, second: str) -> None:
    house = any_house
    await asked(house)
    app = await own_app(house)
    (approval,) = await waiting(house, app)
    said = {"text": "Why?"} if second == "ask" else {}
    assert (await answer(house, app, approval)).status_code == 200
    again = await answer(house, app, approval, answer=second, **said)
    assert (again.status_code, again.json()["error"]) == (409, "conflict")
    assert again.json()["error_description"] == "This request was approved meanwhile."
    assert len(await house.events("approval.approved")) == 1


@proves("approval.stale")
async def test_clicks_at_once_decide_once(any_house: House) -> None:
    """Approving less and approving all, in the same moment: it is one of them, whole."""
    house = any_house
    request, app = await asked(house), await own_app(house)
    (approval,) = await waiting(house, app)
    less = [{**ORDER, "quantity": 1}]
    clicks: list[dict[str, Any]] = [{}, {"details": less}, {"answer": "deny"}, {"answer": "ask", "text": "Why?"}] * 3
    answers = await asyncio.gather(*(answer(house, app, approval, **click) for click in clicks))
    (counted,) = [each.json() for each in answers if each.status_code == 200]
    assert sorted(each.status_code for each in answers) == [200] + [409] * 11
    body = (await poll(house, request["auth_req_id"])).json()
    if counted["state"] == "approved":
        assert body["authorization_details"] == counted["approved_details"]
    else:
        assert body["error"] == ("access_denied" if counted["state"] == "denied" else "authorization_pending")


@proves("approval.stale")
async def test_a_page_from_before_the_reply_answers_nothing(house: House) -> None:
    """What the agent said since may be why a person says no."""
    request, app = await asked(house), await own_app(house)
    (first,) = await waiting(house, app)
    second = (await answer(house, app, first, answer="ask", text="Why?")).json()
    form = {"auth_req_id": request["auth_req_id"], "text": "I was told to.", **house.proof("agent")}
    assert (await house.http.post("/approvals/reply", data=form)).status_code == 200
    for stale in (first, second):
        assert (await answer(house, app, stale)).status_code == 409
    other = {"digest": "A" * 43}
    (third,) = await waiting(house, app)
    assert (await answer(house, app, third, **other)).status_code == 409
    assert (await answer(house, app, third)).status_code == 200


@proves("approval.own-user")
async def test_another_person_answers_edits_asks_and_takes_back_nothing(house: House) -> None:
    await asked(house)
    ada, bob = await own_app(house), await own_app(house, "auth0|bob")
    (approval,) = await waiting(house, ada)
    for said in ({}, {"answer": "deny"}, {"answer": "ask", "text": "?"}, {"details": [{**ORDER, "quantity": 1}]}):
        assert (await answer(house, bob, approval, **said)).status_code == 404
    remember = {
        "times": 3, "expires_at": house.clock.now() + 60, "per_act": 50_000, "total": 99_000, "currency": "USD"
    }  # fmt: skip
    assert (await answer(house, ada, approval, remember=remember)).status_code == 200
    (allowance,) = (await house.http.get("/me/v1/allowances", headers=ada)).json()["allowances"]
    assert (await house.http.get("/me/v1/allowances", headers=bob)).json() == {"allowances": []}
    assert (await house.http.delete(f"/me/v1/allowances/{allowance['id']}", headers=bob)).status_code == 404
    await house.http.post("/me/v1/agents/agent/stop", headers=bob)
    assert (await ask(house, binding_message="Ada still may be asked")).status_code == 200
    (still,) = (await house.http.get("/me/v1/allowances", headers=ada)).json()["allowances"]
    assert still["holds"]


async def test_what_an_agent_replies_is_text(house: House) -> None:
    """It is shown as the agent's words on the person's pages; nothing in it runs, hides or leads away."""
    request, app = await asked(house), await own_app(house)
    (approval,) = await waiting(house, app)
    await answer(house, app, approval, answer="ask", text="<b>Why?</b>")
    evil = "<script>alert(1)</script></p><h1>Approved by Remit</h1>{{ 7 * 191 }}"
    form = {"auth_req_id": request["auth_req_id"], "text": evil, **house.proof("agent")}
    assert (await house.http.post("/approvals/reply", data=form)).status_code == 200
    (again,) = await waiting(house, app)
    assert [each["text"] for each in again["thread"]] == ["<b>Why?</b>", evil], "kept as it was said"
    page = await (await house.sign_in()).get(f"/approvals/{approval['id']}")
    assert evil not in page.text
    assert "<b>Why?" not in page.text
    assert "1337" not in page.text
