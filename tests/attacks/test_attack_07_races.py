"""Attack 7: fifty at once redeem the same thing. One of them gets it, on both databases, and at two nodes of PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import httpx2
import pytest
from tests.fixtures.asking import CIBA, DEVICE, answer, asked, own_app, waiting
from tests.fixtures.house import BROKER, VERIFIER, WEB, Code, House, request_of
from tests.fixtures.nodes import Nodes
from tests.ledger import proves

from remit_server.approvals.answer import Answer, Authentication, claim
from remit_server.approvals.answer import answer as decide
from remit_server.rules import user_code

AT_ONCE = 50


class Prize(NamedTuple):
    """A request that may succeed once."""

    method: str
    path: str
    sent: dict[str, Any]


async def a_code(house: House) -> Prize:
    code = await house.code_for("web", audience=BROKER, scope="openid offline_access")
    return _token(
        house, "web", grant_type="authorization_code", code=code.value, redirect_uri=WEB, code_verifier=code.verifier
    )


async def a_refresh_token(house: House) -> Prize:
    tokens = await house.tokens_for("web", audience=BROKER, scope="openid offline_access")
    return _token(house, "web", grant_type="refresh_token", refresh_token=tokens["refresh_token"])


async def a_request_uri(house: House) -> Prize:
    pushed = await house.http.post("/oauth/par", data={**request_of(audience=BROKER), **house.proof("web")})
    browser = await house.sign_in("ada")
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    params = {"client_id": "web", "request_uri": pushed.json()["request_uri"]}
    return Prize("GET", "/authorize", {"params": params, "headers": {"Cookie": cookies}})


async def a_device_code(house: House) -> Prize:
    form = {"scope": "openid offline_access", "audience": BROKER, **house.proof("public")}
    device = (await house.http.post("/oauth/device/code", data=form)).json()
    typed = user_code.normalised(device["user_code"]) or ""
    approval = await house.store.approvals.by_user_code(house.machines.peppers.mac("user code", typed))
    ada = await house.store.users.get("auth0|ada")
    assert approval and ada
    claimed = await claim(house.machines, approval, ada)
    said = Answer(outcome="approved", version=claimed.version, digest=claimed.digest)
    await decide(house.machines, claimed, ada, said, Authentication())
    return _token(house, "public", grant_type=DEVICE, device_code=device["device_code"])


async def an_auth_req_id(house: House) -> Prize:
    request, app = await asked(house), await own_app(house)
    (approval,) = await waiting(house, app)
    await answer(house, app, approval)
    return _token(house, "agent", grant_type=CIBA, auth_req_id=request["auth_req_id"])


def _token(house: House, client: str, **form: str) -> Prize:
    return Prize("POST", "/oauth/token", {"data": {**form, **house.proof(client)}})


def won(answer: httpx2.Response) -> bool:
    return answer.status_code == 200 or "code=" in answer.headers.get("location", "")


def lost(answer: httpx2.Response) -> bool:
    """Refused by its proper error, not by accident."""
    if answer.headers.get("content-type") == "application/json":
        return (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    return "invalid_request_uri" in answer.headers.get("location", "") + answer.text


PRIZES = [
    pytest.param(a_code, marks=proves("race.code")),
    pytest.param(a_refresh_token, marks=proves("race.refresh-token")),
    pytest.param(a_request_uri, marks=proves("race.request-uri")),
    pytest.param(a_device_code, marks=proves("race.device-code")),
    pytest.param(an_auth_req_id, marks=proves("race.auth-req-id")),
]
Prepare = Callable[[House], Awaitable[Prize]]


@pytest.mark.parametrize("prepare", PRIZES)
async def test_of_fifty_one_wins(any_house: House, prepare: Prepare) -> None:
    prize = await prepare(any_house)
    sent = (any_house.http.request(prize.method, prize.path, **prize.sent) for _ in range(AT_ONCE))
    judge(await asyncio.gather(*sent))


@pytest.mark.parametrize("prepare", PRIZES)
async def test_of_fifty_at_two_nodes_one_wins(nodes: Nodes, prepare: Prepare) -> None:
    prize = await prepare(nodes.house)
    judge(await nodes.race(prize.method, prize.path, AT_ONCE, **prize.sent))


def judge(answers: list[httpx2.Response]) -> None:
    assert sum(won(answer) for answer in answers) == 1, [answer.status_code for answer in answers]
    others = [answer for answer in answers if not won(answer)]
    assert all(lost(answer) for answer in others), next(each.text for each in others if not lost(each))


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
