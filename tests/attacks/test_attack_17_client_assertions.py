"""Attack 17: a client assertion that was made for somebody else, or used before (draft-ietf-oauth-rfc7523bis)."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from tests.fixtures.house import BROKER, House
from tests.fixtures.keys import asserted, assertion, give_key, new_key
from tests.ledger import proves


async def present(house: House, jwt: str, **params: str) -> httpx2.Response:
    form = {"grant_type": "client_credentials", "audience": BROKER, **asserted(jwt), **params}
    return await house.http.post("/oauth/token", data=form)


async def test_a_good_one_is_taken(any_house: House) -> None:
    key = new_key()
    await give_key(any_house, "service", key)
    answer = await present(any_house, assertion(any_house, key))
    assert answer.status_code == 200, answer.text


@proves("attack.assertion-audience")
@pytest.mark.parametrize(
    "audience",
    [
        "{issuer}oauth/token", "{issuer}oauth/par", "https://other.example/", None, "", ["{issuer}", "https://other.example/"],
        [], {"aud": "{issuer}"}, 7,
    ],
)  # fmt: skip
async def test_the_audience_is_the_issuer_alone(house: House, audience: Any) -> None:
    key = new_key()
    await give_key(house, "service", key)

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            return value.format(issuer=house.issuer)
        return [fill(each) for each in value] if isinstance(value, list) else value

    answer = await present(house, assertion(house, key, aud=fill(audience)))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert "www-authenticate" not in answer.headers


@proves("attack.assertion-replay")
async def test_it_is_taken_once(any_house: House) -> None:
    house = any_house
    key = new_key()
    await give_key(house, "service", key)
    jwt = assertion(house, key)
    answers = await asyncio.gather(*(present(house, jwt) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19


@proves("attack.assertion-replay")
async def test_not_at_another_endpoint_either(house: House) -> None:
    key = new_key()
    await give_key(house, "service", key)
    jwt = assertion(house, key)
    assert (await house.http.post("/oauth/introspect", data={"token": "x", **asserted(jwt)})).status_code == 200
    assert (await present(house, jwt)).status_code == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "web"}, {"sub": "web"}, {"iss": "web", "sub": "web"}, {"exp": None}, {"exp": 0}, {"exp": "soon"}, {"exp": True},
        {"jti": None}, {"jti": ""}, {"jti": 5}, {"iat": 2**40}, {"nbf": 2**40}, {"exp": 2**40},
    ],
)  # fmt: skip
async def test_claims_that_are_not_right(house: House, claims: dict[str, Any]) -> None:
    key = new_key()
    await give_key(house, "service", key)
    assert (await present(house, assertion(house, key, **claims))).status_code == 401


@pytest.mark.parametrize("typ", ["at+jwt", "dpop+jwt", "logout+jwt", "oauth-id-jag+jwt"])
async def test_another_kind_of_jwt(house: House, typ: str) -> None:
    key = new_key()
    await give_key(house, "service", key)
    assert (await present(house, assertion(house, key, header={"typ": typ}))).status_code == 401


async def test_somebody_elses_key(house: House) -> None:
    await give_key(house, "service", new_key())
    assert (await present(house, assertion(house, new_key()))).status_code == 401


async def test_a_client_without_keys(house: House) -> None:
    assert (await present(house, assertion(house, new_key()))).status_code == 401


async def test_two_ways_to_prove_oneself_are_one_too_many(house: House) -> None:
    key = new_key()
    await give_key(house, "service", key)
    answer = await present(house, assertion(house, key), client_secret="x")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    tolerated = await present(house, assertion(house, key), client_secret="None")
    assert tolerated.status_code == 200, "some SDKs write None for a secret that they do not have"
