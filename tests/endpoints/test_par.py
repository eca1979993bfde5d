"""POST /oauth/par, and the request_uri that comes of it (RFC 9126)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from msgspec.structs import replace
from tests.fixtures.house import BROKER, VERIFIER, WEB, Browser, Code, House, built, request_of, sqlite


async def pushed(house: House, client: str = "web", **params: Any) -> str:
    answer = await house.http.post("/oauth/par", data={**request_of(client, **params), **house.proof(client)})
    assert answer.status_code == 201, answer.text
    request_uri: str = answer.json()["request_uri"]
    return request_uri


async def used(house: House, browser: Browser, request_uri: str, client: str = "web") -> None:
    await browser.get("/authorize", params={"client_id": client, "request_uri": request_uri})


async def test_a_pushed_request_is_answered_201_with_its_uri_and_its_time(house: House) -> None:
    answer = await house.http.post("/oauth/par", data={**request_of(), **house.proof("web")})
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
    assert answer.json()["expires_in"] == 90


async def test_json_and_the_text_none_for_a_secret_are_understood(house: House) -> None:
    answer = await house.http.post("/oauth/par", json={**request_of(), **house.proof("web"), "organization": None})
    assert answer.status_code == 201


async def test_it_leads_to_a_code(house: House) -> None:
    browser = await house.sign_in("ada")
    await used(house, browser, await pushed(house, audience=BROKER))
    code = Code(browser.returned["code"], "web", WEB, VERIFIER, browser, browser.returned)
    assert (await house.redeem(code)).status_code == 200


async def test_what_was_pushed_counts_and_what_the_browser_brings_does_not(house: House) -> None:
    browser = await house.sign_in("ada")
    request_uri = await pushed(house, audience=BROKER, scope="openid")
    await browser.get("/authorize", params={
        "client_id": "web", "request_uri": request_uri, "scope": "openid trade:write", "state": "other",
    })  # fmt: skip
    assert browser.returned["state"] == "st-4711"
    (grant,) = await house.store.grants.of_user("auth0|ada")
    assert grant.scopes == ("openid",)


async def test_looking_does_not_use_it_up_but_finishing_does(house: House) -> None:
    browser, request_uri = house.browser(), await pushed(house, audience=BROKER)
    await used(house, browser, request_uri)
    await used(house, browser, request_uri)
    assert browser.form.action == "/login"
    await house.sign_in("ada", browser)
    assert "code" in browser.returned
    await used(house, browser, request_uri)
    assert browser.left_for is None
    assert "invalid_request_uri" in browser.page.text


async def test_of_two_pages_that_finish_one_request_one_wins(house: House) -> None:
    browser, request_uri = await house.sign_in("ada"), await pushed(house, "stranger")
    await used(house, browser, request_uri, "stranger")
    first = browser.page, browser.form
    await used(house, browser, request_uri, "stranger")
    await browser.submit(press=("answer", "allow"))
    assert "code" in browser.returned
    browser.page = first[0]
    await browser.submit(first[1], press=("answer", "allow"))
    assert browser.returned["error"] == "invalid_request_uri"


async def test_whoever_began_in_time_may_take_longer(house: House) -> None:
    browser = house.browser()
    await used(house, browser, await pushed(house, audience=BROKER))
    house.clock.forward(300)
    await house.sign_in("ada", browser)
    assert "code" in browser.returned


async def test_it_expires(house: House) -> None:
    browser, request_uri = await house.sign_in("ada"), await pushed(house)
    house.clock.forward(90)
    await used(house, browser, request_uri)
    assert browser.page.status_code == 400


async def test_it_is_bound_to_its_client(house: House) -> None:
    browser, request_uri = await house.sign_in("ada"), await pushed(house, "web")
    await used(house, browser, request_uri, "stranger")
    assert browser.page.status_code == 400
    assert "invalid_request_uri" in browser.page.text


@pytest.mark.parametrize(
    ("request_uri", "error"),
    [
        ("https://evil.example/request", "request_uri_not_supported"),
        ("urn:ietf:params:oauth:request_uri:guess", "invalid_request_uri"),
        ("x", "invalid_request_uri"),
    ],
)
async def test_nothing_else_is_a_request_uri(house: House, request_uri: str, error: str) -> None:
    browser = house.browser()
    await used(house, browser, request_uri)
    assert browser.page.status_code == 400
    assert error in browser.page.text


REFUSED: list[tuple[dict[str, Any], str, int]] = [
    ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request", 400),
    ({"request": "ey"}, "request_not_supported", 400),
    ({"redirect_uri": "https://evil.example/"}, "invalid_request", 400),
    ({"redirect_uri": None}, "invalid_request", 400),
    ({"client_secret": "wrong"}, "invalid_client", 401),
    ({"client_secret": None}, "invalid_client", 401),
    ({"code_challenge": None}, "invalid_request", 400),
    ({"response_type": "token"}, "unsupported_response_type", 400),
    ({"audience": "https://nobody.example"}, "invalid_target", 400),
    ({"authorization_details": "{"}, "invalid_authorization_details", 400),
]


@pytest.mark.parametrize(
    ("change", "error", "status"), REFUSED, ids=[str(next(iter(c.items()))) for c, _, _ in REFUSED]
)
async def test_what_is_wrong_is_said_at_once(house: House, change: dict[str, Any], error: str, status: int) -> None:
    form = {**request_of(), **house.proof("web"), **change}
    answer = await house.http.post("/oauth/par", data={k: v for k, v in form.items() if v is not None})
    assert (answer.status_code, answer.json()["error"]) == (status, error)


async def test_it_is_post_only(house: House) -> None:
    assert (await house.http.get("/oauth/par")).status_code == 405


async def test_a_client_that_must_push_is_not_heard_otherwise(house: House) -> None:
    client = await house.store.clients.get("web")
    assert client is not None
    await house.store.commit(house.store.clients.put(replace(client, require_par=True)))
    browser = await house.sign_in("ada")
    await house.authorize(browser, audience=BROKER)
    assert browser.returned["error"] == "invalid_request"
    await used(house, browser, await pushed(house, audience=BROKER))
    assert "code" in browser.returned


async def test_a_proof_binds_the_code_to_its_key(tmp_path: Path) -> None:
    key = ECKey.generate_key("P-256")
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False)}
    async with built(sqlite(tmp_path)) as house:
        claims = {"htm": "POST", "htu": house.machines.settings.url("/oauth/par"), "iat": house.clock.now(), "jti": "1"}
        proof = jwt.encode(header, claims, key)
        form = {**request_of(audience=BROKER), **house.proof("web")}
        wrong = await house.http.post("/oauth/par", data={**form, "dpop_jkt": "A" * 43}, headers={"DPoP": proof})
        assert wrong.json()["error"] == "invalid_request"
        proof = jwt.encode(header, {**claims, "jti": "2"}, key)
        answer = await house.http.post("/oauth/par", data=form, headers={"DPoP": proof})
        browser = await house.sign_in("ada")
        await used(house, browser, answer.json()["request_uri"])
        code = Code(browser.returned["code"], "web", WEB, VERIFIER, browser, browser.returned)
        assert (await house.redeem(code)).json()["error"] == "invalid_grant"


async def test_secrets_are_not_kept_with_the_request(house: House) -> None:
    await pushed(house)
    rows = json.dumps([event.about for event in await house.events()])
    assert "a secret that only tests know" not in rows
