"""Every door asks for the relations that its act needs: taken away, it shuts; given, it opens."""

from __future__ import annotations

import pytest
from tests.fixtures.asking import answer as answered
from tests.fixtures.asking import ask, asked, own_app, poll
from tests.fixtures.house import BROKER, House
from tests.fixtures.proxy import Bridge
from tests.fixtures.relations import put_store, write
from tests.fixtures.vault import Vault
from tests.ledger import proves

from remit_server.records import Organisation
from remit_server.records.organisation import Need
from remit_server.rules.relations.model import parse
from remit_server.runtime.ids import new_id

pytestmark = proves("access.needs")

MODEL = """model
  schema 1.1
type user
type agent
type connection
  relations
    define can_use: [user, agent]
type account
  relations
    define can_trade_from: [user, agent]
type tool
  relations
    define can_call: [user, agent]
"""
CALENDAR = Need(relation="can_use", object="connection:{connection}", connection="calendar")
ACCOUNT = Need(relation="can_trade_from", object="account:{account}", details="trade_order")
TRADE = Need(relation="can_call", object="tool:trade", api=BROKER, scope="trade:write")
ADA, AGENT = "user:auth0|ada", "agent:agent"


class Store:
    """The house's relations, as an administrator keeps them."""

    def __init__(self, house: House) -> None:
        self.house, self.id = house, new_id()

    async def guard(self, *needs: Need) -> None:
        await put_store(self.house.store, self.id, parse(MODEL))
        await self.house.store.commit(self.house.store.organisation.put(Organisation(needs=needs)))

    async def give(self, *texts: str) -> None:
        await write(self.house.store, self.id, texts)

    async def take(self, *texts: str) -> None:
        await write(self.house.store, self.id, deletes=texts)


@pytest.mark.parametrize("missing", [ADA, AGENT])
async def test_exchange(vault: Vault, missing: str) -> None:
    await vault.connected()
    store = Store(vault.house)
    await store.guard(CALENDAR)
    both = [f"connection:calendar can_use {who}" for who in (ADA, AGENT)]
    await store.give(*both)
    assert (await vault.exchange()).status_code == 200
    (event,) = await vault.house.events("vault.exchanged")
    assert f"{AGENT} can_use connection:calendar" in event.about["why"]
    await store.take(f"connection:calendar can_use {missing}")
    refused = await vault.exchange()
    assert (refused.status_code, refused.json()["error"]) == (400, "access_denied")
    assert "can_use of connection:calendar" in refused.json()["error_description"]


@pytest.mark.parametrize("missing", [ADA, AGENT])
async def test_connect(vault: Vault, missing: str) -> None:
    store = Store(vault.house)
    await store.guard(CALENDAR)
    await store.give(*(f"connection:calendar can_use {who}" for who in (ADA, AGENT) if who != missing))
    refused = await vault.begin()
    assert (refused.status_code, refused.json()["type"]) == (400, "urn:remit:problem:access_denied")
    await store.give(f"connection:calendar can_use {missing}")
    assert (await vault.begin()).status_code == 201


@pytest.mark.parametrize("missing", [ADA, AGENT])
async def test_proxy(bridge: Bridge, missing: str) -> None:
    store = Store(bridge.house)
    await store.guard(CALENDAR)
    await store.give(*(f"connection:calendar can_use {who}" for who in (ADA, AGENT) if who != missing))
    assert (await bridge.call()).status_code == 403
    assert bridge.api.seen == []
    await store.give(f"connection:calendar can_use {missing}")
    assert (await bridge.call()).status_code == 200


@pytest.mark.parametrize("missing", [ADA, AGENT])
async def test_ask(house: House, missing: str) -> None:
    store = Store(house)
    await store.guard(ACCOUNT)
    await store.give(*(f"account:...4821 can_trade_from {who}" for who in (ADA, AGENT) if who != missing))
    refused = await ask(house)
    assert (refused.status_code, refused.json()["error"]) == (403, "access_denied")
    await store.give(f"account:...4821 can_trade_from {missing}")
    request = await asked(house)
    # What was given when it was asked may be taken back before it is answered, and before the token is fetched.
    app = await own_app(house)
    (approval,) = (await house.http.get("/me/v1/approvals", headers=app)).json()["approvals"]
    await store.take(f"account:...4821 can_trade_from {missing}")
    late = await answered(house, app, approval)
    assert (late.status_code, late.json()["error"]) == (400, "access_denied")
    await store.give(f"account:...4821 can_trade_from {missing}")
    assert (await answered(house, app, approval)).json()["state"] == "approved"
    await store.take(f"account:...4821 can_trade_from {missing}")
    house.clock.forward(6)
    refused = await poll(house, request["auth_req_id"])
    assert (refused.status_code, refused.json()["error"]) == (400, "access_denied")


@pytest.mark.parametrize("missing", [ADA, AGENT])
async def test_authorize_and_refresh(house: House, missing: str) -> None:
    store = Store(house)
    await store.guard(TRADE)
    both = [f"tool:trade can_call {who}" for who in (ADA, AGENT)]
    await store.give(*both)
    sent = {"audience": BROKER, "scope": "openid offline_access trade:write"}
    tokens = await house.tokens_for("agent", "ada", **sent)
    code = await house.code_for("agent", "ada", **sent)
    await store.take(f"tool:trade can_call {missing}")
    refused = await house.redeem(code)
    assert (refused.status_code, refused.json()["error"]) == (400, "access_denied")
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **house.proof("agent")}
    refused = await house.http.post("/oauth/token", data=form)
    assert (refused.status_code, refused.json()["error"]) == (400, "access_denied")
    browser = await house.sign_in("ada")
    await house.authorize(browser, "agent", **sent, prompt="consent")
    await browser.submit(press=("answer", "allow"))
    assert browser.returned["error"] == "access_denied"
