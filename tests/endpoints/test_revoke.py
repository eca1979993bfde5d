"""POST /oauth/revoke (RFC 7009)."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from tests.fixtures.house import BROKER, House
from tests.ledger import proves


async def revoke(house: House, token: str, client: str = "web", **params: str) -> httpx2.Response:
    return await house.http.post("/oauth/revoke", data={"token": token, **house.proof(client), **params})


async def alive(house: House, token: str, client: str = "web") -> bool:
    seen = await house.http.post("/oauth/introspect", data={"token": token, **house.proof(client)})
    return bool(seen.json()["active"])


async def tokens(house: House, client: str = "web") -> dict[str, Any]:
    return await house.tokens_for(client, scope="openid offline_access", audience=BROKER)


async def refreshed(house: House, token: str, client: str = "web") -> httpx2.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token, **house.proof(client)}
    return await house.http.post("/oauth/token", data=form)


@proves("oauth.revocation")
async def test_an_access_token_dies_alone(any_house: House) -> None:
    house = any_house
    held = await tokens(house)
    answer = await revoke(house, held["access_token"])
    assert (answer.status_code, answer.json()) == (200, {})
    assert not await alive(house, held["access_token"])
    assert (await refreshed(house, held["refresh_token"])).status_code == 200
    assert len(await house.events("token.revoked")) == 1


@proves("oauth.revocation")
@pytest.mark.parametrize("hint", [None, "refresh_token", "access_token", "something"])
async def test_a_refresh_token_takes_its_family_along_whatever_the_hint(house: House, hint: str | None) -> None:
    held = await tokens(house)
    newer = (await refreshed(house, held["refresh_token"])).json()
    other = await tokens(house)
    answer = await revoke(house, newer["refresh_token"], **({"token_type_hint": hint} if hint else {}))
    assert answer.status_code == 200
    for token in (held["access_token"], newer["access_token"]):
        assert not await alive(house, token)
    assert (await refreshed(house, newer["refresh_token"])).json()["error"] == "invalid_grant"
    assert await alive(house, other["access_token"]), "another agreement stays"


@proves("oauth.revocation")
async def test_a_spent_refresh_token_still_ends_its_family(house: House) -> None:
    held = await tokens(house)
    newer = (await refreshed(house, held["refresh_token"])).json()
    assert (await revoke(house, held["refresh_token"])).status_code == 200
    assert not await alive(house, newer["access_token"])


@proves("oauth.revocation")
async def test_what_is_unknown_or_revoked_before_answers_200(house: House) -> None:
    held = await tokens(house)
    for token in ("never issued", held["id_token"], held["refresh_token"], held["refresh_token"]):
        answer = await revoke(house, token)
        assert (answer.status_code, answer.json()) == (200, {})


@proves("oauth.revocation")
async def test_only_the_client_that_holds_it(house: House) -> None:
    held = await tokens(house)
    for other in ("agent", "public", "broker-api"):
        answer = await revoke(house, held["refresh_token"], other)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    for proof in ({}, {"client_id": "web"}, {"client_id": "web", "client_secret": "wrong"}):
        answer = await house.http.post("/oauth/revoke", data={"token": held["refresh_token"], **proof})
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert await alive(house, held["access_token"])
    assert await house.events("token.revoked") == []


async def test_a_public_client_names_itself(house: House) -> None:
    held = await tokens(house, "public")
    assert (await revoke(house, held["refresh_token"], "public")).status_code == 200
    assert (await refreshed(house, held["refresh_token"], "public")).json()["error"] == "invalid_grant"


async def test_a_token_is_needed_and_post(house: House) -> None:
    answer = await house.http.post("/oauth/revoke", data=house.proof("web"))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert (await house.http.get("/oauth/revoke")).status_code == 405
