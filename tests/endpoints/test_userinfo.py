"""GET and POST /userinfo (OIDC Core section 5.3), and what RFC 6750 says of bearer tokens."""

from __future__ import annotations

import httpx2
import pytest
from msgspec.structs import replace
from tests.endpoints.test_token_targets import claims
from tests.fixtures.house import BROKER, ISSUER, USERINFO, House
from tests.ledger import proves


async def ask(house: House, token: str, method: str = "GET") -> httpx2.Response:
    return await house.http.request(method, "/userinfo", headers={"Authorization": f"Bearer {token}"})


async def token(house: House, scope: str = "openid") -> str:
    value: str = (await house.tokens_for("web", scope=scope))["access_token"]
    return value


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_subject_is_the_id_tokens(any_house: House, method: str) -> None:
    answer = await ask(any_house, await token(any_house), method)
    assert answer.json() == {"sub": "auth0|ada"}
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        ("openid", set()),
        ("openid email", {"email", "email_verified"}),
        ("openid profile", {"name", "updated_at"}),
        ("openid groups", {"groups"}),
        ("openid profile email groups", {"name", "updated_at", "email", "email_verified", "groups"}),
    ],
)
async def test_a_scope_opens_its_claims_and_no_others(house: House, scope: str, names: set[str]) -> None:
    assert (await ask(house, await token(house, scope))).json().keys() == {"sub"} | names


async def test_a_profile_never_names_somebody_else(house: House) -> None:
    ada = await house.store.users.get("auth0|ada")
    assert ada
    profile = {"sub": "auth0|bob", "email": "bob@example.com", "groups": ["all"], "picture": "https://p.example/a.png"}
    await house.store.commit(house.store.users.put(replace(ada, profile=profile)))
    seen = (await ask(house, await token(house, "openid profile"))).json()
    assert seen["sub"] == "auth0|ada"
    assert seen["picture"] == "https://p.example/a.png"
    assert not {"email", "groups"} & seen.keys()


@proves("oidc.userinfo-audience")
async def test_a_token_for_an_api_is_for_this_too_if_openid_was_granted(house: House) -> None:
    held = await house.tokens_for("web", scope="openid email trade:write", audience=BROKER)
    assert claims(held)["aud"] == [BROKER, USERINFO]
    assert (await ask(house, held["access_token"])).json()["email"] == "ada@example.com"


@pytest.mark.parametrize(
    ("audience", "scope"), [(BROKER, "trade:write"), (ISSUER + "me/", "openid read:me:approvals")]
)  # fmt: skip
@proves("oidc.userinfo-audience")
async def test_a_token_for_another_place_is_refused(house: House, audience: str, scope: str) -> None:
    held = await house.tokens_for("web", scope=scope, audience=audience)
    assert claims(held)["aud"] == audience
    answer = await ask(house, held["access_token"])
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")


async def test_without_openid_it_is_not_for_this(house: House) -> None:
    held = await house.tokens_for("web", scope="profile")
    answer = await ask(house, held["access_token"])
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
    assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="openid"'


async def test_a_client_is_nobody(house: House) -> None:
    form = {"grant_type": "client_credentials", "audience": BROKER, **house.proof("service")}
    held = (await house.http.post("/oauth/token", data=form)).json()
    assert (await ask(house, held["access_token"])).status_code in {401, 403}


async def test_without_a_token_the_challenge_names_no_error(house: House) -> None:
    for headers in ({}, {"Authorization": "Bearer"}, {"Authorization": "Basic d2ViOng="}, {"Authorization": "x"}):
        answer = await house.http.get("/userinfo", headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), headers


async def test_a_token_in_the_query_or_the_body_is_not_seen(house: House) -> None:
    held = await token(house)
    assert (await house.http.get("/userinfo", params={"access_token": held})).status_code == 401
    assert (await house.http.post("/userinfo", data={"access_token": held})).status_code == 401


async def test_two_authorization_headers_are_malformed(house: House) -> None:
    held = await token(house)
    headers = [("Authorization", f"Bearer {held}"), ("Authorization", f"Bearer {held}")]
    assert (await house.http.get("/userinfo", headers=headers)).status_code == 400


async def test_a_dead_token_and_a_blocked_person(any_house: House) -> None:
    house = any_house
    held = await token(house)
    assert (await ask(house, "never issued")).headers["www-authenticate"] == 'Bearer error="invalid_token"'
    ada = await house.store.users.get("auth0|ada")
    assert ada
    await house.store.commit(house.store.users.put(replace(ada, state="blocked")))
    answer = await ask(house, held)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    await house.store.commit(house.store.users.put(ada))
    assert (await ask(house, held)).status_code == 200
    house.clock.forward(300)
    assert (await ask(house, held)).status_code == 401


@proves("oauth.revocation")
async def test_a_revoked_token_is_refused_at_once(any_house: House) -> None:
    held = await token(any_house)
    await any_house.http.post("/oauth/revoke", data={"token": held, **any_house.proof("web")})
    assert (await ask(any_house, held)).status_code == 401


async def test_a_browser_app_may_read_it(house: House) -> None:
    headers = {"Authorization": f"Bearer {await token(house)}", "Origin": "https://app.example"}
    answer = await house.http.get("/userinfo", headers=headers)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
