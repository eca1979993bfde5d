"""Attack 8: an agent that may ask must not be able to wear a person down, nor to find out who exists by asking."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from msgspec.structs import replace
from tests.fixtures.asking import ORDER, answer, ask, asked, own_app, poll, waiting
from tests.fixtures.house import House, built
from tests.ledger import proves

from remit_server.records import Grant

BOB = "auth0|bob"


def order(quantity: int) -> str:
    return json.dumps([{**ORDER, "quantity": quantity}])


async def changed(house: House, **members: Any) -> None:
    clients = house.store.clients
    agent = await clients.get("agent")
    assert agent is not None
    await house.store.commit(clients.put(replace(agent, **members)), wakes=(clients.wake("agent"),))


async def agreed(house: House, user: str = "auth0|ada", **members: Any) -> Grant:
    grant = Grant(id=f"g-{user}", client_id="agent", user_id=user, created_at=house.clock.now())
    grant = replace(grant, **members)
    await house.store.commit(house.store.grants.add(grant))
    return grant


@pytest.fixture
async def foreign(house: House) -> House:
    """The agent is not the organisation's own."""
    await changed(house, first_party=False)
    return house


def said(refused: httpx2.Response) -> tuple[int, dict[str, Any]]:
    return refused.status_code, refused.json()


@proves("approval.asked-by-acquaintances")
async def test_strangers_are_not_asked_and_cannot_be_told_from_nobody(foreign: House) -> None:
    nobody = await ask(foreign, user="auth0|nobody")
    assert nobody.json()["error"] == "unknown_user_id"
    assert said(await ask(foreign)) == said(nobody)
    assert said(await ask(foreign, login_hint="ada@example.com")) == said(nobody)
    await agreed(foreign, BOB)
    assert said(await ask(foreign)) == said(nobody), "another's agreement is none of hers"
    assert await waiting(foreign, await own_app(foreign)) == []
    await agreed(foreign)
    assert (await ask(foreign)).status_code == 200


async def test_an_agreement_that_is_over_is_none(foreign: House) -> None:
    grant = await agreed(foreign)
    await foreign.store.commit(foreign.store.grants.revoke(grant.id, foreign.clock.now(), "enough"))
    assert (await ask(foreign)).json()["error"] == "unknown_user_id"
    await agreed(foreign, id="old", created_at=foreign.clock.now() - 365 * 86400)
    assert (await ask(foreign)).json()["error"] == "unknown_user_id"


@proves("approval.asked-once")
async def test_the_same_request_is_one_card(any_house: House) -> None:
    house = any_house
    answers = await asyncio.gather(*(ask(house) for _ in range(20)))
    assert {each.status_code for each in answers} == {200}
    assert len({each.json()["auth_req_id"] for each in answers}) == 1
    app = await own_app(house)
    (approval,) = await waiting(house, app)
    house.clock.forward(100)
    assert (await asked(house))["expires_in"] == 200, "asking again prolongs nothing"
    await answer(house, app, approval)
    taken = await asyncio.gather(*(poll(house, answers[0].json()["auth_req_id"]) for _ in range(5)))
    assert sorted(each.status_code for each in taken)[:2] == [200, 400], "and it is fetched once"
    assert len(await house.events("approval.asked")) == 1
    again = await asked(house)
    assert again["auth_req_id"] != answers[0].json()["auth_req_id"], "what was answered is asked anew"


@pytest.mark.parametrize(
    "other",
    [{"authorization_details": order(11)}, {"binding_message": "Another"}, {"user": BOB}, {"scope": "openid"}],
)
async def test_another_request_is_another(house: House, other: dict[str, Any]) -> None:
    first, second = await asked(house), await asked(house, **other)
    assert first["auth_req_id"] != second["auth_req_id"]


async def test_what_has_expired_is_asked_anew_before_anybody_swept(house: House) -> None:
    first = await asked(house, requested_expiry="10")
    house.clock.forward(10)
    second = await asked(house, requested_expiry="10")
    assert first["auth_req_id"] != second["auth_req_id"]
    assert len(await house.events("approval.expired")) == 1


@pytest.fixture
async def small(database_url: str) -> AsyncIterator[House]:
    """Budgets are small enough to be used up."""
    async with built(database_url, asks_per_agent=5, asks_per_person=8) as house:
        second = await house.store.clients.get("agent")
        assert second is not None
        await house.store.commit(house.store.clients.put(replace(second, id="second")))
        yield house


@proves("approval.asked-so-often")
async def test_a_storm_reaches_nobody(small: House) -> None:
    answers = await asyncio.gather(*(ask(small, authorization_details=order(n)) for n in range(1, 21)))
    assert sorted(each.status_code for each in answers) == [200] * 5 + [429] * 15
    refused = next(each for each in answers if each.status_code == 429)
    assert int(refused.headers["retry-after"]) > 0
    assert len(await waiting(small, await own_app(small))) == 5
    assert (await ask(small, user=BOB)).status_code == 200, "what one person is spared costs another nothing"


async def test_many_agents_share_what_one_person_bears(small: House) -> None:
    for n in range(1, 6):
        assert (await ask(small, authorization_details=order(n))).status_code == 200
    answers = [(await ask(small, client="second", authorization_details=order(n))).status_code for n in range(1, 6)]
    assert answers == [200, 200, 200, 429, 429]
    small.clock.forward(3600)
    assert (await ask(small, client="second", authorization_details=order(9))).status_code == 200


async def test_other_words_are_no_way_around(small: House) -> None:
    answers = [await ask(small, binding_message=f"Attempt {n}") for n in range(10)]
    assert [each.status_code for each in answers] == [200] * 5 + [429] * 5


async def test_who_hears_no_waits_longer_each_time(house: House) -> None:
    waits = []
    for n in range(1, 7):
        refused = await ask(house, authorization_details=order(n))
        if refused.status_code == 429:
            waits.append(int(refused.headers["retry-after"]))
            house.clock.forward(waits[-1])
            assert (await ask(house, authorization_details=order(n))).status_code == 200
        app = await own_app(house)
        (approval,) = await waiting(house, app)
        await answer(house, app, approval, answer="deny")
    assert waits == [60, 120, 240]
    assert (await ask(house, user=BOB)).status_code == 200


async def test_a_yes_makes_good(house: House) -> None:
    app = await own_app(house)
    for n, words in enumerate(["deny", "deny", "approve", "deny", "deny", "deny"], 1):
        assert (await ask(house, authorization_details=order(n))).status_code == 200
        (approval,) = await waiting(house, app)
        await answer(house, app, approval, answer=words)
        house.clock.forward(1)
    assert (await ask(house)).status_code == 429


async def test_who_is_blocked_does_not_ask(any_house: House) -> None:
    house = any_house
    blocked = house.store.blocked_askers
    await house.store.commit(blocked.add("auth0|ada", "agent", house.clock.now()))
    refused = await ask(house)
    assert (refused.status_code, refused.json()["error"]) == (403, "access_denied")
    assert (await ask(house, user=BOB)).status_code == 200
    assert list(await blocked.of_user("auth0|ada")) == ["agent"]
    await house.store.commit(blocked.remove("auth0|ada", "agent"))
    assert (await ask(house)).status_code == 200
    await house.store.commit(blocked.add("auth0|ada", "agent", house.clock.now()))
    await house.store.commit(blocked.forget_user("auth0|ada"))
    assert not await blocked.has("auth0|ada", "agent")


@pytest.fixture
async def silent(database_url: str) -> AsyncIterator[House]:
    async with built(database_url, unknown_users="silent", asks_per_agent=3) as house:
        yield house


async def experience(house: House, **whom: str) -> list[tuple[int, Any]]:
    """All that an agent sees of somebody who never answers."""
    seen: list[tuple[int, Any]] = []

    def note(got: httpx2.Response) -> httpx2.Response:
        body = {name: value for name, value in got.json().items() if name not in {"auth_req_id", "approval_uri"}}
        seen.append((got.status_code, sorted(body) if got.status_code == 200 else body))
        return got

    first = note(await ask(house, requested_expiry="60", **whom)).json()
    again = note(await ask(house, requested_expiry="60", **whom)).json()
    seen.append((0, first["auth_req_id"] == again["auth_req_id"]))
    note(await poll(house, first["auth_req_id"]))
    note(await poll(house, first["auth_req_id"]))
    house.clock.forward(60)
    note(await poll(house, first["auth_req_id"]))
    for n in range(1, 5):
        note(await ask(house, authorization_details=order(n), **whom))
    return seen


@proves("approval.unknown-as-silent")
async def test_somebody_who_is_not_there_is_as_silent_as_somebody_who_is(silent: House) -> None:
    await silent.store.commit(silent.store.blocked_askers.add(BOB, "agent", silent.clock.now()))
    there = await experience(silent)
    assert [status for status, _ in there] == [200, 200, 0, 400, 400, 400, 200, 200, 429, 429]
    for whom in ({"user": "auth0|nobody"}, {"login_hint": "nobody@example.com"}, {"user": BOB}):
        assert await experience(silent, **whom) == there
    assert await waiting(silent, await own_app(silent, BOB)) == []
    await changed(silent, first_party=False)
    silent.clock.forward(86400)
    assert [status for status, _ in await experience(silent)] == [status for status, _ in there]
