"""Which API a token is for (RFC 8707 `resource`, and `audience`), and which scopes it has there."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import httpx2
import pytest
from msgspec.structs import replace
from tests.fixtures.asking import ORDER, answer, asked, own_app, poll, waiting
from tests.fixtures.house import BROKER, NOTES, USERINFO, House, built, sqlite
from tests.ledger import proves

from remit_server.records import Api

ELSEWHERE = Api(identifier="https://elsewhere.example", name="Elsewhere", scopes={"x": "Do x"})


async def own(house: House, client: str = "service", **params: Any) -> httpx2.Response:
    """A token of the client's own."""
    form = {"grant_type": "client_credentials", **house.proof(client), **params}
    return await house.http.post("/oauth/token", data=form)


async def refresh(house: House, token: str, client: str = "web", **params: Any) -> httpx2.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token, **house.proof(client), **params}
    return await house.http.post("/oauth/token", data=form)


async def signed_in(house: House, client: str = "web", **params: Any) -> dict[str, Any]:
    sent = {"scope": "openid offline_access trade:write portfolio:read", "audience": BROKER, **params}
    return await house.tokens_for(client, **sent)


def claims(answer: httpx2.Response | dict[str, Any]) -> dict[str, Any]:
    body = answer if isinstance(answer, dict) else answer.json()
    assert "access_token" in body, body
    part = body["access_token"].split(".")[1]
    found: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


async def change(house: House, client_id: str, **changes: Any) -> None:
    client = await house.store.clients.get(client_id)
    assert client
    await house.store.commit(house.store.clients.change(replace(client, **changes)))


@pytest.mark.parametrize("name", ["resource", "audience"])
async def test_both_names_name_an_api(house: House, name: str) -> None:
    got = claims(await own(house, **{name: BROKER}))
    assert (got["aud"], got["scope"]) == (BROKER, "trade:write portfolio:read")


@proves("oauth.resource")
async def test_several_resources(house: House) -> None:
    got = claims(await own(house, resource=[BROKER, NOTES, BROKER]))
    assert got["aud"] == [BROKER, NOTES]
    assert got["scope"] == "trade:write portfolio:read notes:read"


async def test_a_slash_that_a_client_added_to_an_origin(house: House) -> None:
    assert claims(await own(house, resource=BROKER + "/"))["aud"] == BROKER
    assert (await own(house, resource=BROKER + "/x")).json()["error"] == "invalid_target"


@pytest.mark.parametrize("absent", ["", "None", "null", "undefined"])
async def test_what_sdks_send_for_no_audience(house: House, absent: str) -> None:
    assert claims(await own(house, audience=absent))["aud"] == house.issuer + "userinfo"


@proves("oauth.resource")
@pytest.mark.parametrize(
    "resource",
    [
        "https://nobody.example", "broker", "/broker", BROKER + "#", BROKER + "#x", "https://[", ELSEWHERE.identifier,
        BROKER.upper(), BROKER.replace("https", "http"), BROKER + "?x", " " + BROKER, "urn:x",
    ],
)  # fmt: skip
async def test_what_is_not_the_clients_to_ask_for(tmp_path: Path, resource: str) -> None:
    async with built(sqlite(tmp_path), ELSEWHERE) as house:
        for sent in ([resource], [BROKER, resource]):
            answer = await own(house, resource=sent)
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")


async def test_a_token_for_nothing_opens_nothing(house: House) -> None:
    got = claims(await own(house))
    assert (got["aud"], got["scope"]) == (house.issuer + "userinfo", "")


async def test_a_default_audience(tmp_path: Path) -> None:
    async with built(sqlite(tmp_path), default_audience=BROKER) as house:
        assert claims(await own(house))["aud"] == BROKER
        assert claims(await own(house, audience=NOTES))["aud"] == NOTES


async def test_fewer_scopes(house: House) -> None:
    assert claims(await own(house, audience=BROKER, scope="portfolio:read"))["scope"] == "portfolio:read"


@pytest.mark.parametrize("scope", ["trade:delete", "portfolio:read notes:read", "answer:me:approvals"])
async def test_a_client_of_its_own_gets_no_scope_by_asking(house: House, scope: str) -> None:
    answer = await own(house, audience=BROKER, scope=scope)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize("scope", ['a"b', "a\\b", "\u00e4", "a\tb"])
async def test_characters_that_no_scope_has(house: House, scope: str) -> None:
    assert (await own(house, audience=BROKER, scope=scope)).json()["error"] == "invalid_scope"


async def test_a_client_has_no_person_to_know_about(house: House) -> None:
    assert claims(await own(house, audience=BROKER, scope="openid trade:write"))["scope"] == "trade:write"
    assert claims(await own(house, audience=BROKER, scope="openid"))["scope"] == "", "not everything instead"


@proves("oauth.resource")
async def test_with_a_person_unknown_scopes_are_left_out_and_the_answer_says_so(house: House) -> None:
    held = await signed_in(house, scope="openid trade:write notes:read made:up")
    assert held["scope"] == claims(held)["scope"] == "openid trade:write"


@proves("oauth.resource")
async def test_a_code_is_redeemed_for_a_part(house: House) -> None:
    params: dict[str, Any] = {"scope": "openid trade:write notes:read", "resource": [BROKER, NOTES]}
    for part, granted in (
        ({}, (BROKER, NOTES)), ({"resource": NOTES}, (NOTES,)), ({"audience": BROKER}, (BROKER,)),
        ({"resource": [NOTES, BROKER]}, (NOTES, BROKER)),
    ):  # fmt: skip
        code = await house.code_for("web", **params)
        assert claims(await house.redeem(code, **part))["aud"] == [*granted, USERINFO]
    code = await house.code_for("web", scope="openid", audience=BROKER)
    assert (await house.redeem(code, resource=NOTES)).json()["error"] == "invalid_target"


@proves("oauth.resource")
async def test_a_scope_that_two_apis_have_is_not_lent_from_one_to_the_other(tmp_path: Path) -> None:
    """A client that may write at one API does not get to write at the other by asking for both."""
    library = Api(identifier="https://library.example", name="Library", scopes={"trade:write": "Lend books"})
    both: dict[str, Any] = {"scope": "openid trade:write portfolio:read", "resource": [BROKER, library.identifier]}
    async with built(sqlite(tmp_path), library) as house:
        apis = {BROKER: ("portfolio:read",), library.identifier: ("trade:write",)}
        await change(house, "stranger", apis=apis)
        await change(house, "service", apis=apis)
        assert claims(await house.tokens_for("stranger", **both))["scope"] == "openid portfolio:read"
        assert claims(await own(house, resource=both["resource"]))["scope"] == "portfolio:read"
        alone = await house.tokens_for("stranger", scope="openid trade:write", audience=library.identifier)
        assert claims(alone)["scope"] == "openid trade:write"


@proves("oauth.resource")
async def test_a_code_for_a_part_has_the_scopes_of_this_part(house: House) -> None:
    code = await house.code_for("web", scope="openid trade:write notes:read", resource=[BROKER, NOTES])
    assert claims(await house.redeem(code, resource=NOTES))["scope"] == "openid notes:read"


@proves("oauth.resource")
async def test_a_refresh_is_for_a_part_and_the_whole_is_kept(any_house: House) -> None:
    house = any_house
    held = await signed_in(
        house, resource=[BROKER, NOTES], audience=None, scope="openid offline_access trade:write notes:read"
    )
    part = await refresh(house, held["refresh_token"], resource=NOTES, scope="openid notes:read")
    assert (claims(part)["aud"], claims(part)["scope"]) == ([NOTES, USERINFO], "openid notes:read")
    whole = await refresh(house, part.json()["refresh_token"])
    assert (claims(whole)["aud"], claims(whole)["scope"]) == ([BROKER, NOTES, USERINFO], held["scope"])


@proves("oauth.resource")
async def test_a_refresh_never_widens(house: House) -> None:
    held = await signed_in(house, scope="openid offline_access portfolio:read")
    more = await refresh(house, held["refresh_token"], scope="openid portfolio:read trade:write answer:me:approvals")
    assert claims(more)["scope"] == "openid portfolio:read"


async def test_a_refresh_for_the_persons_own_account(any_house: House) -> None:
    house, me = any_house, any_house.issuer + "me/"
    held = await signed_in(house)
    got = await refresh(house, held["refresh_token"], audience=me)
    assert claims(got)["aud"] == me
    assert "trade:write" not in claims(got)["scope"]
    assert "answer:me:approvals" in claims(got)["scope"]
    narrow = await refresh(house, got.json()["refresh_token"], audience=me, scope="read:me:approvals")
    assert claims(narrow)["scope"] == "read:me:approvals"
    headers = {"Authorization": f"Bearer {narrow.json()['access_token']}"}
    assert (await house.http.get("/me/v1/approvals", headers=headers)).status_code == 200
    back = await refresh(house, narrow.json()["refresh_token"])
    assert claims(back)["aud"] == [BROKER, USERINFO]


@proves("oauth.resource")
async def test_only_our_own_apps_reach_further_without_asking(house: House) -> None:
    me = house.issuer + "me/"
    stranger = await signed_in(house, "stranger")
    for audience in (me, NOTES, "https://nobody.example"):
        got = await refresh(house, stranger["refresh_token"], "stranger", audience=audience)
        assert (got.status_code, got.json()["error"]) == (400, "invalid_grant"), audience
    notes = await signed_in(house, scope="openid offline_access notes:read", audience=NOTES)
    reached = claims(await refresh(house, notes["refresh_token"], audience=BROKER))
    assert reached["aud"] == [BROKER, USERINFO], "needs no consent"
    broker = await signed_in(house)
    assert (await refresh(house, broker["refresh_token"], audience=NOTES)).json()["error"] == "invalid_grant"


async def test_details_stay_with_the_apis_that_they_were_agreed_to_for(tmp_path: Path) -> None:
    further = replace(ELSEWHERE, skip_consent=True, authorization_details=("trade_order",))
    async with built(sqlite(tmp_path), further) as house:
        await change(house, "web", apis={BROKER: ("trade:write",), further.identifier: ("x",)})
        held = await signed_in(house, authorization_details=json.dumps([ORDER]))
        other = await refresh(house, held["refresh_token"], audience=further.identifier)
        assert claims(other)["aud"] == [further.identifier, USERINFO]
        assert "authorization_details" not in claims(other)
        back = await refresh(house, other.json()["refresh_token"])
        assert claims(back)["authorization_details"] == [ORDER]


@proves("approval.not-by-agents")
async def test_an_agent_never_gets_to_answer(house: House) -> None:
    """Not even one of our own, that needs nobody's consent for the rest."""
    me = house.issuer + "me/"
    held = await signed_in(house, "agent")
    got = await refresh(house, held["refresh_token"], "agent", audience=me)
    assert "read:me:approvals" in claims(got)["scope"]
    assert "answer:me:approvals" not in claims(got)["scope"]
    asked_for = await signed_in(house, "agent", audience=me, scope="openid read:me:approvals answer:me:approvals")
    assert claims(asked_for)["scope"] == "openid read:me:approvals"
    strangers = await signed_in(house, "stranger", audience=me, scope="openid read:me:approvals answer:me:approvals")
    assert claims(strangers)["scope"] == "openid read:me:approvals"


@proves("oauth.resource")
async def test_what_a_client_lost_it_does_not_refresh(any_house: House) -> None:
    """A refresh token outlives what an administrator takes away."""
    house = any_house
    held = await signed_in(house)
    await change(house, "web", apis={BROKER: ("portfolio:read",)})
    fewer = await refresh(house, held["refresh_token"])
    assert claims(fewer)["scope"] == "openid offline_access portfolio:read"
    await change(house, "web", apis={NOTES: ("notes:read",)})
    none = await refresh(house, fewer.json()["refresh_token"])
    assert (none.status_code, none.json()["error"]) == (400, "invalid_grant"), "clients recover from that: they sign in"
    await change(house, "web", apis={BROKER: ("portfolio:read",)})
    await house.store.commit(house.store.apis.remove(BROKER))
    assert (await refresh(house, fewer.json()["refresh_token"])).json()["error"] == "invalid_grant"


@proves("oauth.resource")
async def test_what_a_client_lost_is_not_handed_out_after_an_approval(house: House) -> None:
    request = await asked(house)
    app = await own_app(house)
    (approval,) = await waiting(house, app)
    await answer(house, app, approval)
    await change(house, "agent", apis={NOTES: ("notes:read",)})
    assert (await poll(house, request["auth_req_id"])).json()["error"] == "invalid_grant"
