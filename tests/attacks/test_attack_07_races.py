"""Attack 7: fifty at once redeem the same thing. One of them gets it, on both databases."""

from __future__ import annotations

import asyncio

from tests.fixtures.house import BROKER, VERIFIER, WEB, Code, House, request_of
from tests.ledger import proves

AT_ONCE = 50


@proves("attack.races")
async def test_one_code_is_redeemed_once_and_the_race_ends_what_it_gave(any_house: House) -> None:
    house = any_house
    code = await house.code_for("web", audience=BROKER, scope="openid offline_access trade:write")
    answers = await asyncio.gather(*(house.redeem(code) for _ in range(AT_ONCE)))
    won = [answer for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    assert {answer.json()["error"] for answer in answers if answer is not won[0]} == {"invalid_grant"}
    # Somebody holds a copy: what came of the code is dead as well (RFC 6749 section 4.1.2).
    form = {"token": won[0].json()["access_token"], **house.proof("web")}
    assert (await house.http.post("/oauth/introspect", data=form)).json() == {"active": False}
    assert len(await house.events("code.reused")) == 1


@proves("attack.races")
async def test_one_request_uri_completes_once(any_house: House) -> None:
    house = any_house
    pushed = await house.http.post("/oauth/par", data={**request_of(audience=BROKER), **house.proof("web")})
    browser = await house.sign_in("ada")
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    params = {"client_id": "web", "request_uri": pushed.json()["request_uri"]}
    answers = await asyncio.gather(*(
        house.http.get("/authorize", params=params, headers={"Cookie": cookies}) for _ in range(AT_ONCE)
    ))  # fmt: skip
    codes = [answer for answer in answers if "code=" in answer.headers.get("location", "")]
    assert len(codes) == 1
    assert len(await house.store.grants.of_user("auth0|ada")) == 1
    others = [answer for answer in answers if answer is not codes[0]]
    assert all(
        "error=invalid_request_uri" in answer.headers.get("location", "") or answer.status_code == 400
        for answer in others
    )


async def test_one_consent_gives_one_code(any_house: House) -> None:
    house = any_house
    browser = await house.sign_in("ada")
    await house.authorize(browser, "stranger", audience=BROKER)
    form = {**dict(browser.form.fields), "answer": "allow"}
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())}
    answers = await asyncio.gather(*(
        house.http.post("/consent", data=form, headers=headers) for _ in range(AT_ONCE)
    ))  # fmt: skip
    assert sum("code=" in answer.headers.get("location", "") for answer in answers) == 1
    assert sum(answer.status_code == 400 for answer in answers) == AT_ONCE - 1
    assert len(await house.store.grants.of_user("auth0|ada")) == 1


@proves("attack.races")
async def test_one_refresh_token_is_rotated_once(any_house: House) -> None:
    house = any_house
    tokens = await house.tokens_for("web", audience=BROKER, scope="openid offline_access")
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **house.proof("web")}
    answers = await asyncio.gather(*(house.http.post("/oauth/token", data=form) for _ in range(AT_ONCE)))
    assert sum(answer.status_code == 200 for answer in answers) == 1
    assert {answer.json().get("error") for answer in answers} == {None, "invalid_grant"}


async def test_a_code_of_a_pushed_request_works(any_house: House) -> None:
    house = any_house
    pushed = await house.http.post("/oauth/par", data={**request_of(audience=BROKER), **house.proof("web")})
    browser = await house.sign_in("ada")
    await browser.get("/authorize", params={"client_id": "web", "request_uri": pushed.json()["request_uri"]})
    code = Code(browser.returned["code"], "web", WEB, VERIFIER, browser, browser.returned)
    assert (await house.redeem(code)).status_code == 200
