"""An agent asks a person, by CIBA, and gets exactly what was approved, once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec.structs import replace
from tests.fixtures.asking import ORDER, answer, ask, asked, own_app, poll, waiting
from tests.fixtures.house import BROKER, NOTES, USERINFO, House
from tests.ledger import proves


async def test_approved_the_token_carries_exactly_the_details(any_house: House) -> None:
    house = any_house
    request = await asked(house)
    assert request["expires_in"] == 300
    assert request["interval"] == 5
    assert (await poll(house, request["auth_req_id"])).json()["error"] == "authorization_pending"

    app = await own_app(house)
    (approval,) = await waiting(house, app)
    assert approval["authorization_details"] == [ORDER]
    assert approval["binding_message"] == "Buy 10 ZEKO"
    assert (await answer(house, app, approval)).json()["state"] == "approved"

    house.clock.forward(6)
    body = (await poll(house, request["auth_req_id"])).json()
    assert body["authorization_details"] == [ORDER]
    assert body["scope"] == "openid trade:write"
    assert body["approved_at"] == house.clock.now() - 6
    assert "id_token" in body
    assert "refresh_token" not in body, "an approved transaction is done once"
    seen = await house.http.post("/oauth/introspect", data={"token": body["access_token"], **house.proof("broker-api")})
    assert seen.json()["authorization_details"] == [ORDER]
    assert seen.json()["aud"] == [BROKER, USERINFO]

    again = await poll(house, request["auth_req_id"])
    assert again.json()["error"] == "invalid_grant"


async def test_denied_with_the_reason(house: House) -> None:
    request = await asked(house)
    app = await own_app(house)
    (approval,) = await waiting(house, app)
    await answer(house, app, approval, answer="deny", reason="wrong amount")
    body = (await poll(house, request["auth_req_id"])).json()
    assert body["error"] == "access_denied"
    assert body["reason"] == "wrong amount"
    assert body["denied_by"] == "auth0|ada"


async def test_nobody_answers_and_it_expires(house: House) -> None:
    request = await asked(house, requested_expiry="60")
    assert request["expires_in"] == 60
    house.clock.forward(60)
    assert (await poll(house, request["auth_req_id"])).json()["error"] == "expired_token"
    assert [event.kind for event in await house.events("approval.expired")] == ["approval.expired"]
    app = await own_app(house)
    (approval,) = (await house.http.get("/me/v1/approvals", headers=app)).json()["approvals"]
    assert approval["state"] == "expired"
    late = await answer(house, app, approval)
    assert late.status_code == 409


async def test_an_answer_in_time_beats_expiry(house: House) -> None:
    request = await asked(house, requested_expiry="60")
    app = await own_app(house)
    (approval,) = await waiting(house, app)
    house.clock.forward(59)
    await answer(house, app, approval)
    house.clock.forward(30)
    assert (await poll(house, request["auth_req_id"])).status_code == 200


async def test_polling_too_fast_slows_down(house: House) -> None:
    request = await asked(house)
    assert (await poll(house, request["auth_req_id"])).json()["error"] == "authorization_pending", "never the first"
    house.clock.forward(2)
    fast = await poll(house, request["auth_req_id"])
    assert (fast.status_code, fast.json()["error"]) == (400, "slow_down")
    assert fast.headers["retry-after"] == "10"
    house.clock.forward(9)
    assert (await poll(house, request["auth_req_id"])).json()["error"] == "slow_down"
    house.clock.forward(15)
    assert (await poll(house, request["auth_req_id"])).json()["error"] == "authorization_pending"


async def test_only_the_addressed_person_sees_and_answers(house: House) -> None:
    await asked(house)
    ada, bob = await own_app(house), await own_app(house, "auth0|bob")
    (approval,) = await waiting(house, ada)
    assert await waiting(house, bob) == []
    assert (await house.http.get(f"/me/v1/approvals/{approval['id']}", headers=bob)).status_code == 404
    assert (await answer(house, bob, approval)).status_code == 404
    assert len(await waiting(house, ada)) == 1


async def test_who_asks_cannot_answer(house: House) -> None:
    await asked(house)
    (approval,) = await waiting(house, await own_app(house))
    assert (await answer(house, await own_app(house, client="agent"), approval)).status_code == 403
    assert (await answer(house, await own_app(house, client="stranger"), approval)).status_code == 403


@proves("approval.not-by-agents")
async def test_an_app_in_a_hand_that_asks_does_not_answer_itself(house: House) -> None:
    """It may carry answers, and it may ask: never both of one request."""
    web = await house.store.clients.get("web")
    assert web
    both = replace(web, grants=(*web.grants, "ciba"), apis={BROKER: ("trade:write",)})
    await house.store.commit(house.store.clients.put(both), house.store.clients.put(replace(both, id="other")))
    request, own = await asked(house, client="web"), await own_app(house)
    (approval,) = await waiting(house, own)
    shown = {"version": approval["version"], "digest": approval["digest"]}
    for refused in (
        await answer(house, own, approval),
        await house.http.post(f"/me/v1/approvals/{approval['id']}/proof", json=shown, headers=own),
    ):
        assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
    polled = await poll(house, request["auth_req_id"], client="web")
    assert polled.json()["error"] == "authorization_pending"
    assert (await answer(house, await own_app(house, client="other"), approval)).status_code == 200


@proves("approval.not-by-agents")
async def test_no_agent_answers_for_another(house: House) -> None:
    agent = await house.store.clients.get("agent")
    assert agent
    await house.store.commit(house.store.clients.put(replace(agent, id="accomplice")))
    await asked(house)
    accomplice = await own_app(house, client="accomplice")
    (approval,) = await waiting(house, accomplice)
    shown = {"version": approval["version"], "digest": approval["digest"]}
    for refused in (
        await answer(house, accomplice, approval),
        await house.http.post(f"/me/v1/approvals/{approval['id']}/proof", json=shown, headers=accomplice),
    ):
        assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")


@pytest.mark.parametrize("stale", [{"version": 7}, {"digest": "another"}])
async def test_a_stale_page_answers_nothing(house: House, stale: dict[str, Any]) -> None:
    request = await asked(house)
    app = await own_app(house)
    (approval,) = await waiting(house, app)
    assert (await answer(house, app, approval, **stale)).status_code == 409
    assert (await poll(house, request["auth_req_id"])).json()["error"] == "authorization_pending"


async def test_two_answers_at_once_one_counts(any_house: House) -> None:
    house = any_house
    await asked(house)
    app = await own_app(house)
    (approval,) = await waiting(house, app)
    answers = await asyncio.gather(*(answer(house, app, approval, answer=a) for a in ("approve", "deny") * 5))
    assert sorted(each.status_code for each in answers) == [200] + [409] * 9


async def test_another_client_cannot_fetch_it(house: House) -> None:
    other = await house.store.clients.get("service")
    assert other is not None
    import msgspec

    await house.store.commit(
        house.store.clients.put(msgspec.structs.replace(other, grants=("ciba",))),
        wakes=(house.store.clients.wake("service"),),
    )
    request = await asked(house)
    assert (await poll(house, request["auth_req_id"], client="service")).json()["error"] == "invalid_grant"


async def test_a_suspended_agent_gets_nothing_that_was_approved(house: House) -> None:
    import msgspec

    request = await asked(house)
    app = await own_app(house)
    (approval,) = await waiting(house, app)
    await answer(house, app, approval)
    agent = await house.store.clients.get("agent")
    assert agent is not None
    await house.store.commit(
        house.store.clients.put(msgspec.structs.replace(agent, state="suspended")),
        wakes=(house.store.clients.wake("agent"),),
    )
    refused = await poll(house, request["auth_req_id"])
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"login_hint": None}, "invalid_request"),
        ({"login_hint": "auth0|nobody"}, "unknown_user_id"),
        ({"login_hint": "{not json"}, "unknown_user_id"),
        (
            {"login_hint": '{"format":"iss_sub","iss":"https://elsewhere.example/","sub":"auth0|ada"}'},
            "unknown_user_id",
        ),
        ({"login_hint": '{"format":"opaque","id":"1"}'}, "unknown_user_id"),
        ({"id_token_hint": "not.a.jwt"}, "invalid_request"),
        ({"login_hint": None, "id_token_hint": "not.a.jwt"}, "invalid_request"),
        ({"scope": "trade:write"}, "invalid_scope"),
        ({"binding_message": "x" * 129}, "invalid_binding_message"),
        ({"binding_message": "pay \u202e001"}, "invalid_binding_message"),
        ({"binding_message": "line\nbreak"}, "invalid_binding_message"),
        ({"binding_message": "zero\u200bwidth"}, "invalid_binding_message"),
        ({"binding_message": "see https://evil.example"}, "invalid_binding_message"),
        ({"binding_message": "see evil.com now"}, "invalid_binding_message"),
        ({"requested_expiry": "-1"}, "invalid_request"),
        ({"requested_expiry": "soon"}, "invalid_request"),
        ({"requested_expiry": "0"}, "invalid_request"),
        ({"audience": "https://unknown.example"}, "invalid_target"),
        ({"authorization_details": "[]"}, "invalid_authorization_details"),
        ({"authorization_details": "{"}, "invalid_authorization_details"),
        ({"authorization_details": json.dumps([{**ORDER, "type": "unknown"}])}, "invalid_authorization_details"),
        ({"authorization_details": json.dumps([{**ORDER, "extra": 1}])}, "invalid_authorization_details"),
        ({"authorization_details": json.dumps([{**ORDER, "quantity": 1.5}])}, "invalid_authorization_details"),
        ({"authorization_details": json.dumps([ORDER]), "audience": NOTES}, "invalid_authorization_details"),
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"request": "x.y.z"}, "invalid_request"),
    ],
)
async def test_bad_requests_get_the_exact_error(house: House, params: dict[str, Any], error: str) -> None:
    refused = await ask(house, **params)
    assert refused.json()["error"] == error
    assert refused.status_code == (401 if error == "invalid_client" else 400)
    assert await waiting(house, await own_app(house)) == []


async def test_a_client_that_is_not_registered_for_it(house: House) -> None:
    assert (await ask(house, client="web")).json()["error"] == "unauthorized_client"


@pytest.mark.parametrize(
    "hint", ["auth0|ada", "ada@example.com", "ADA@example.com", '{"format":"email","email":"ada@example.com"}']
)
async def test_other_ways_to_name_a_person(house: House, hint: str) -> None:
    assert (await ask(house, login_hint=hint)).status_code == 200


@pytest.mark.parametrize("audience", ["None", ""])
async def test_an_audience_that_sdks_send_for_none(house: House, audience: str) -> None:
    request = await asked(house, audience=audience, scope="openid", authorization_details=None, binding_message="")
    app = await own_app(house)
    (approval,) = await waiting(house, app)
    await answer(house, app, approval)
    assert (await poll(house, request["auth_req_id"])).json()["scope"] == "openid"


async def test_an_id_token_names_the_person_even_when_it_has_expired(house: House) -> None:
    machines = house.machines
    agent, ada = await house.store.clients.get("agent"), await house.store.users.get("auth0|ada")
    assert agent and ada
    hint = await machines.mint.id_token(agent, ada, ("openid",))
    house.clock.forward(86400)
    assert (await ask(house, login_hint=None, id_token_hint=hint)).status_code == 200


async def test_an_id_token_of_another_client_names_nobody(house: House) -> None:
    web, ada = await house.store.clients.get("web"), await house.store.users.get("auth0|ada")
    assert web and ada
    hint = await house.machines.mint.id_token(web, ada, ("openid",))
    refused = await ask(house, login_hint=None, id_token_hint=hint)
    assert refused.json()["error"] == "invalid_request"
