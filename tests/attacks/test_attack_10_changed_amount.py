"""Attack 10: an agent that was talked into it asks for 10 and does 1,000. What counts is what the person approved."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from msgspec.structs import replace
from tests.fixtures.asking import ORDER, answer, asked, bought, own_app, poll, spend, waiting
from tests.fixtures.house import BROKER, NOTES, SECRET, House
from tests.ledger import proves

import remit
from remit_server.records import Approval, Grant
from remit_server.rules.enforcing import difference
from remit_server.runtime.ports import Act, Permit

LESS = {**ORDER, "quantity": 8}


async def test_a_request_does_not_change_once_it_is_asked(house: House) -> None:
    """Whoever asks again, asks something else: another card, another digest, another yes."""
    first = await asked(house)
    second = await asked(house, authorization_details=json.dumps([{**ORDER, "quantity": 1000}]))
    assert first["auth_req_id"] != second["auth_req_id"]
    app = await own_app(house)
    small = next(each for each in await waiting(house, app) if each["authorization_details"] == [ORDER])
    await answer(house, app, small)
    taken = (
        await poll(house, first["auth_req_id"], authorization_details=json.dumps([{**ORDER, "quantity": 1000}]))
    ).json()
    assert taken["authorization_details"] == [ORDER], "what a poll brings along counts for nothing"
    assert (await poll(house, second["auth_req_id"])).json()["error"] == "authorization_pending"


CHANGED: dict[str, Any] = {
    "more": {"quantity": 11}, "much more": {"quantity": 1000}, "another share": {"ticker": "MERI"},
    "the other way": {"side": "sell"}, "a worse price": {"limit": {"amount": 9999, "currency": "USD"}},
    "another currency": {"limit": {"amount": 4120, "currency": "EUR"}}, "another account": {"account": "...6660"},
    "a text for a number": {"quantity": "10"}, "one member more": {"note": "x"}, "yes for one": {"quantity": True},
}  # fmt: skip


@pytest.mark.parametrize("how", CHANGED)
@proves("approval.amount")
async def test_what_was_not_approved_is_not_done(house: House, how: str) -> None:
    body = await bought(house)
    refused = await spend(house, body["access_token"], {**ORDER, **CHANGED[how]})
    (field,) = CHANGED[how]
    assert (refused.status_code, refused.json()["error"], refused.json()["field"]) == (403, "details_changed", field)
    (event,) = await house.events("approval.not_spent")
    assert (event.about["why"], event.about["by"]) == (field, "broker-api")
    assert (await spend(house, body["access_token"], ORDER)).status_code == 200, "and it has used nothing up"


async def test_a_member_left_out_is_a_change(house: House) -> None:
    body = await bought(house)
    without = {name: value for name, value in ORDER.items() if name != "limit"}
    assert (await spend(house, body["access_token"], without)).json()["field"] == "limit"
    other = {**ORDER, "type": "payment"}
    assert (await spend(house, body["access_token"], other)).json()["field"] == "type"


@proves("approval.amount")
async def test_less_is_within_what_was_approved(house: House) -> None:
    body = await bought(house)
    spent = await spend(house, body["access_token"], LESS)
    assert spent.status_code == 200
    assert spent.json()["authorization_details"] == [ORDER]
    assert spent.json()["approval"]["digest"] == body["approval"]["digest"]


@proves("approval.amount")
@pytest.mark.parametrize("quantity", [-10, 0, 0.5])
async def test_what_is_none_of_its_kind_is_not_less_of_it(house: House, quantity: float) -> None:
    """Minus ten shares bought are ten sold: below what was approved, and not within it."""
    body = await bought(house)
    refused = await spend(house, body["access_token"], {**ORDER, "quantity": quantity})
    assert (refused.status_code, refused.json()["error"]) == (403, "details_changed")
    assert refused.json()["field"] == "quantity"
    assert (await spend(house, body["access_token"], ORDER)).status_code == 200


@proves("approval.edited")
async def test_after_an_edit_the_first_amount_is_too_much(house: House) -> None:
    request, app = await asked(house), await own_app(house)
    (approval,) = await waiting(house, app)
    await answer(house, app, approval, details=[LESS])
    token = (await poll(house, request["auth_req_id"])).json()["access_token"]
    assert (await spend(house, token, ORDER)).json()["field"] == "quantity"
    assert (await spend(house, token, LESS)).status_code == 200


def test_of_a_type_that_nobody_describes_every_member_counts() -> None:
    approved = {"type": "anything", "amount": 10, "to": ["bob"]}
    assert difference(None, approved, dict(approved)) is None
    for changed in ({"amount": 9}, {"amount": 11}, {"to": []}, {"note": "x"}):
        assert difference(None, approved, {**approved, **changed}) == next(iter(changed))


async def taken(house: House, *details: dict[str, Any]) -> str:
    """The token of an approval of these details, as if it had been asked for and given."""
    agent, ada = await house.store.clients.get("agent"), await house.store.users.get("auth0|ada")
    assert agent and ada
    now = house.clock.now()
    grant = Grant(id="g_1", client_id="agent", user_id=ada.id, audiences=(BROKER,), details=details, created_at=now)
    act = Act(kind="token", client=agent, user=ada, grant=grant, audiences=(BROKER,), details=details)
    issued = await house.machines.mint.access_token(Permit(act=act))
    approval = Approval(
        id="a_1", kind="ciba", client_id="agent", handle="h", user_id=ada.id, details=details, approved=details,
        state="taken", grant_id="g_1", created_at=now, expires_at=now + 300, use_until=issued.token.expires_at,
    )  # fmt: skip
    store = house.store
    await store.commit(store.grants.add(grant), store.tokens.add(issued.token), store.approvals.add(approval))
    return issued.value


@pytest.mark.parametrize("here", [None, [BROKER], ["https://other.example", BROKER]])
async def test_where_an_approval_holds_is_no_part_of_the_act(house: House, here: list[str] | None) -> None:
    act = {"type": "anything", "amount": 10}
    token = await taken(house, act if here is None else {**act, "locations": here})
    assert (await spend(house, token, {**act, "amount": 11})).json()["field"] == "amount"
    assert (await spend(house, token, act)).status_code == 200


@pytest.mark.parametrize("elsewhere", [[], ["https://other.example"], BROKER, 1, {"at": BROKER}])
async def test_an_approval_that_holds_elsewhere(house: House, elsewhere: Any) -> None:
    act = {"type": "anything", "amount": 10}
    refused = await spend(house, await taken(house, {**act, "locations": elsewhere}), act)
    assert (refused.status_code, refused.json()["field"]) == (403, "type")


@pytest.mark.parametrize(
    ("params", "status", "error"),
    [
        ({"authorization_details": "[]"}, 400, "invalid_authorization_details"),
        ({"authorization_details": json.dumps([ORDER, ORDER])}, 400, "invalid_authorization_details"),
        ({"authorization_details": "{"}, 400, "invalid_authorization_details"),
        ({"authorization_details": '[{"type": "trade_order", "quantity": 1, "quantity": 10}]'}, 400,
         "invalid_authorization_details"),
        ({"authorization_details": None}, 400, "invalid_request"),
        ({"token": None}, 400, "invalid_request"),
        ({"token": "nonsense"}, 400, "invalid_grant"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "agent"}, 400, "unauthorized_client"),
        ({"client_id": "web"}, 400, "unauthorized_client"),
        ({"client_id": "notes-api"}, 400, "invalid_grant"),
    ],
)  # fmt: skip
async def test_who_may_say_that_it_is_done(house: House, params: dict[str, Any], status: int, error: str) -> None:
    """Only the API that the token is for, which proves itself: the agent spends nothing, nor does another API."""
    broker = await house.store.clients.get("broker-api")
    assert broker is not None
    await house.store.commit(house.store.clients.put(replace(broker, id="notes-api", api=NOTES)))
    body = await bought(house)
    refused = await spend(house, body["access_token"], ORDER, **params)
    assert (refused.status_code, refused.json()["error"]) == (status, error)
    assert (await spend(house, body["access_token"], ORDER)).status_code == 200


class Sdk:
    """The house's time, for the SDK."""

    def __init__(self, house: House) -> None:
        self._house = house

    def now(self) -> float:
        return self._house.clock.now()

    async def sleep(self, seconds: float) -> None:
        self._house.clock.forward(int(seconds))


@pytest.fixture
async def broker(house: House) -> AsyncIterator[remit.Verifier]:
    """A broker that uses the SDK, with its own credentials."""
    async with httpx2.AsyncClient(transport=house.transport, base_url=house.issuer) as http:
        yield remit.Verifier(
            house.issuer, BROKER, client_id="broker-api", credential=SECRET, http=http, clock=Sdk(house)
        )  # fmt: skip


async def called(broker: remit.Verifier, body: dict[str, Any]) -> remit.Caller:
    return await broker(f"Bearer {body['access_token']}", method="POST", url="https://broker.example/orders")


@proves("approval.amount")
async def test_a_broker_with_the_sdk(house: House, broker: remit.Verifier) -> None:
    caller = await called(broker, await bought(house))
    act = {name: value for name, value in ORDER.items() if name != "type"}
    with pytest.raises(remit.DetailsChanged) as changed:
        await caller.spend("trade_order", **{**act, "quantity": 1000})
    assert (changed.value.field, changed.value.approved, changed.value.actual) == ("quantity", 10, 1000)
    assert await caller.spend("trade_order", **{**act, "quantity": 8}) == ORDER
    with pytest.raises(remit.AlreadySpent) as spent:
        await caller.spend("trade_order", **act)
    assert (spent.value.at, spent.value.by) == (house.clock.now(), "broker-api")


async def test_a_broker_hears_that_the_person_took_it_back(house: House, broker: remit.Verifier) -> None:
    """The token still verifies by its signature; the issuer knows better."""
    caller = await called(broker, await bought(house))
    await house.http.post("/me/v1/agents/agent/stop", headers=await own_app(house))
    with pytest.raises(remit.AuthenticationRequired):
        await caller.spend("trade_order", **{name: value for name, value in ORDER.items() if name != "type"})
