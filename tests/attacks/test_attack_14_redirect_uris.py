"""Attack 14: tricks with redirect URIs. On a mismatch nobody is ever redirected."""

from __future__ import annotations

import pytest
from tests.fixtures.house import AGENT, WEB, House, request_of
from tests.ledger import proves

NEAR_MISSES = [
    "https://app.example/callback/",
    "https://app.example/callback?",
    "https://app.example/callback?x=1",
    "https://app.example/callback#",
    "https://app.example/callback#f",
    "https://app.example/Callback",
    "https://APP.example/callback",
    "https://app.example:443/callback",
    "https://app.example:8443/callback",
    "http://app.example/callback",
    "https://app.example./callback",
    "https://app.example/callback/../evil",
    "https://app.example/./callback",
    "https://app.example/%63allback",
    "https://app.example%2fcallback",
    "https://app.example/callback%2f..%2fevil",
    "https://app.example\\callback",
    "https://app.example/callback\\@evil.example",
    "https://user@app.example/callback",
    "https://app.example@evil.example/callback",
    "https://evil.example/https://app.example/callback",
    "https://app.example.evil.example/callback",
    "https://evilapp.example/callback",
    "https://*.example/callback",
    " https://app.example/callback",
    "https://app.example/callback ",
    "https://app.example/callback\n",
    "https://app.example/callb\u0430ck",
    "//app.example/callback",
    "/callback",
    "javascript:alert(1)//https://app.example/callback",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "urn:ietf:wg:oauth:2.0:oob",
]


@pytest.mark.parametrize("uri", NEAR_MISSES, ids=ascii)
@proves("attack.redirect-uri")
async def test_anything_but_the_registered_uri_is_an_error_here(house: House, uri: str) -> None:
    browser = await house.sign_in("ada")
    page = await house.authorize(browser, "stranger", redirect_uri=uri)
    assert page.status_code == 400
    assert browser.left_for is None
    assert "location" not in page.headers
    assert 'href="' + uri not in page.text


LOOPBACK_MISSES = [
    "http://127.0.0.1:8080/other",
    "http://127.0.0.1/callback/",
    "http://127.0.0.1:80800000/callback",
    "http://127.0.0.1:8080@evil.example/callback",
    "http://user@127.0.0.1:8080/callback",
    "http://127.0.0.1:8080/callback#f",
    "http://127.0.0.1.evil.example/callback",
    "http://127.0.0.2:8080/callback",
    "http://localhost:8080/callback",
    "http://[::1]:8080/callback",
    "https://127.0.0.1:8080/callback",
    "http://127.0.0.1:8080\\callback",
    "http://127.0.0.1:/callback",
    "http://127.0.0.1:*/callback",
    "http://2130706433/callback",
    "http://127.1/callback",
]


@pytest.mark.parametrize("uri", LOOPBACK_MISSES, ids=ascii)
@proves("attack.redirect-uri")
async def test_of_a_loopback_uri_the_port_is_free_and_nothing_else(house: House, uri: str) -> None:
    browser = await house.sign_in("ada")
    page = await house.authorize(browser, "agent", redirect_uri=uri)
    assert page.status_code == 400
    assert browser.left_for is None


@pytest.mark.parametrize("port", ["", ":1", ":65535"])
async def test_any_port_is_fine_for_an_agent_on_this_machine(house: House, port: str) -> None:
    code = await house.code_for("agent", redirect_uri=f"http://127.0.0.1{port}/callback")
    assert code.value


async def test_but_not_for_a_web_client(house: House) -> None:
    from msgspec.structs import replace

    client = await house.store.clients.get("web")
    assert client is not None
    await house.store.commit(house.store.clients.put(replace(client, redirect_uris=("http://127.0.0.1:9000/cb",))))
    browser = await house.sign_in("ada")
    page = await house.authorize(browser, redirect_uri="http://127.0.0.1:9001/cb")
    assert page.status_code == 400


async def test_two_redirect_uris_are_none(house: House) -> None:
    query = "&".join(f"{name}={value}" for name, value in request_of("stranger").items())
    page = await house.http.get(f"/authorize?{query}&redirect_uri=https://evil.example/")
    assert page.status_code == 400
    assert "location" not in page.headers


async def test_an_error_does_not_open_the_way_either(house: House) -> None:
    browser = house.browser()
    page = await house.authorize(browser, redirect_uri="https://evil.example/", response_type="token", prompt="none")
    assert page.status_code == 400
    assert browser.left_for is None


async def test_the_code_is_only_good_with_the_uri_that_it_was_asked_with(house: House) -> None:
    code = await house.code_for("stranger")
    answer = await house.redeem(code, redirect_uri="https://other.example/cb?x=1")
    assert answer.json()["error"] == "invalid_grant"
    code = await house.code_for("stranger")
    form = {"grant_type": "authorization_code", "code": code.value, "code_verifier": code.verifier}
    answer = await house.http.post("/oauth/token", data={**form, **house.proof("stranger")})
    assert answer.json()["error"] == "invalid_request"


async def test_the_port_of_an_agent_is_part_of_its_code(house: House) -> None:
    code = await house.code_for("agent", redirect_uri="http://127.0.0.1:5000/callback")
    assert (await house.redeem(code, redirect_uri=AGENT)).json()["error"] == "invalid_grant"


async def test_a_parameter_cannot_break_out_of_the_answer(house: House) -> None:
    browser = await house.sign_in("ada")
    await house.authorize(
        browser, state="x&code=evil\r\nSet-Cookie: a=b", prompt="none", audience="https://broker.example"
    )
    assert browser.left_for is not None
    assert browser.left_for.startswith(WEB + "?")
    assert browser.returned["code"] != "evil"
    assert "set-cookie" not in browser.page.headers or "a=b" not in browser.page.headers["set-cookie"]
