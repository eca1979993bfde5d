"""Attack 6: a refresh token that was copied (RFC 9700 section 4.14.2)."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from tests.fixtures.house import BROKER, House
from tests.ledger import proves


async def refresh(house: House, token: str, client: str = "web", **params: str) -> httpx2.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token, **house.proof(client), **params}
    return await house.http.post("/oauth/token", data=form)


async def tokens(house: House) -> dict[str, Any]:
    return await house.tokens_for("web", scope="openid offline_access trade:write", audience=BROKER)


async def alive(house: House, access_token: str) -> bool:
    seen = await house.http.post("/oauth/introspect", data={"token": access_token, **house.proof("web")})
    return bool(seen.json()["active"])


@proves("attack.refresh-replay")
async def test_a_spent_token_ends_its_whole_family(any_house: House) -> None:
    house = any_house
    stolen = await tokens(house)
    fresh = (await refresh(house, stolen["refresh_token"])).json()
    assert await alive(house, fresh["access_token"])
    house.clock.forward(31)
    replayed = await refresh(house, stolen["refresh_token"])
    assert (replayed.status_code, replayed.json()["error"]) == (400, "invalid_grant")
    assert not await alive(house, stolen["access_token"])
    assert not await alive(house, fresh["access_token"])
    assert (await refresh(house, fresh["refresh_token"])).json()["error"] == "invalid_grant"
    assert len(await house.events("token.reused")) == 1


@proves("attack.refresh-grace")
async def test_a_lost_reply_is_answered_once_more(any_house: House) -> None:
    house = any_house
    old = await tokens(house)
    lost = (await refresh(house, old["refresh_token"])).json()
    house.clock.forward(5)
    again = await refresh(house, old["refresh_token"])
    assert again.status_code == 200
    assert (await refresh(house, again.json()["refresh_token"])).status_code == 200
    assert lost["refresh_token"] != again.json()["refresh_token"]


@proves("attack.refresh-grace")
async def test_a_thief_in_the_grace_is_found_out(any_house: House) -> None:
    """Who presents a spent token in time gets a successor; but the owner's, now superseded, did arrive."""
    house = any_house
    stolen = await tokens(house)
    owners = (await refresh(house, stolen["refresh_token"])).json()
    house.clock.forward(5)
    thiefs = (await refresh(house, stolen["refresh_token"])).json()
    assert (await refresh(house, owners["refresh_token"])).json()["error"] == "invalid_grant"
    assert not await alive(house, thiefs["access_token"])
    assert (await refresh(house, thiefs["refresh_token"])).json()["error"] == "invalid_grant"
    assert len(await house.events("token.reused")) == 1


@proves("attack.refresh-grace")
async def test_the_grace_happens_once(house: House) -> None:
    old = await tokens(house)
    await refresh(house, old["refresh_token"])
    house.clock.forward(5)
    again = (await refresh(house, old["refresh_token"])).json()
    house.clock.forward(5)
    assert (await refresh(house, old["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await refresh(house, again["refresh_token"])).json()["error"] == "invalid_grant"


@proves("attack.refresh-grace")
async def test_there_is_no_grace_once_the_successor_is_in_use(house: House) -> None:
    old = await tokens(house)
    fresh = (await refresh(house, old["refresh_token"])).json()
    newest = (await refresh(house, fresh["refresh_token"])).json()
    house.clock.forward(5)
    assert (await refresh(house, old["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await refresh(house, newest["refresh_token"])).json()["error"] == "invalid_grant", "a copy: the family ends"


@proves("attack.refresh-grace")
async def test_a_race_loses_without_harm(house: House) -> None:
    old = await tokens(house)
    fresh = (await refresh(house, old["refresh_token"])).json()
    house.clock.forward(1)
    assert (await refresh(house, old["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await refresh(house, fresh["refresh_token"])).status_code == 200


@proves("attack.refresh-replay")
async def test_another_client_gets_nothing_and_ends_nothing(house: House) -> None:
    held = await tokens(house)
    for thief in ("agent", "stranger"):
        assert (await refresh(house, held["refresh_token"], thief)).json()["error"] == "invalid_grant"
    assert (await refresh(house, held["refresh_token"])).status_code == 200


@pytest.mark.parametrize("scope", ["openid portfolio:read", "portfolio:read"])
async def test_a_refresh_never_widens(house: House, scope: str) -> None:
    held = await tokens(house)
    got = (await refresh(house, held["refresh_token"], scope=scope)).json()
    assert "portfolio:read" not in got.get("scope", "")
