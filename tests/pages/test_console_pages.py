"""Console, activity and the first administrator, over HTTP and without JavaScript."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace
from tests.fixtures.asking import asked
from tests.fixtures.browser import forms
from tests.fixtures.house import PASSWORD, House
from tests.fixtures.vault import Vault
from tests.ledger import proves

from remit_server.management import set_up
from remit_server.records import User


async def administrator(house: House) -> None:
    ada = await house.store.users.by_email("ada@example.com")
    assert ada is not None
    await house.store.commit(house.store.users.put(replace(ada, administrator=True)))


async def test_the_console_is_for_administrators(house: House) -> None:
    browser = await house.sign_in("bob")
    assert (await browser.get("/console")).status_code == 403
    await browser.get("/device")
    csrf = browser.form.value("csrf") or ""
    answer = await browser.post("/console/agents/agent/suspend", {"csrf": csrf})
    assert "administrators" in answer.text
    assert answer.status_code == 403
    agent = await house.store.clients.get("agent")
    assert agent is not None
    assert agent.state == "active"


async def test_an_agent_is_suspended_and_resumed_by_its_buttons(house: House) -> None:
    await administrator(house)
    browser = await house.sign_in()
    page = await browser.get("/console")
    assert page.status_code == 200, page.text
    button = next(form for form in forms(page.text) if form.action == "/console/agents/agent/suspend")
    page = await browser.submit(button)
    assert "is suspended" in page.text
    agent = await house.store.clients.get("agent")
    assert agent is not None
    assert agent.state == "suspended"
    button = next(form for form in forms(page.text) if form.action == "/console/agents/agent/resume")
    assert "active again" in (await browser.submit(button)).text
    kinds = [event.kind for _, event in await house.store.trail.latest(limit=2)]
    assert kinds == ["client.resumed", "client.suspended"]


async def test_connected_accounts_are_counted(vault: Vault) -> None:
    await vault.connected()
    await administrator(vault.house)
    page = await (await vault.house.sign_in()).get("/console")
    assert page.status_code == 200
    assert "1 account<" in page.text


async def test_a_form_of_another_site_suspends_nobody(house: House) -> None:
    await administrator(house)
    browser = await house.sign_in()
    assert (await browser.post("/console/agents/agent/suspend", {"csrf": "guessed"})).status_code == 403
    agent = await house.store.clients.get("agent")
    assert agent is not None
    assert agent.state == "active"


async def test_a_suspended_agents_tokens_are_refused_from_then_on(house: House) -> None:
    await administrator(house)
    tokens = await house.tokens_for("web")
    browser = await house.sign_in()
    page = await browser.get("/console")
    await browser.submit(next(form for form in forms(page.text) if form.action == "/console/agents/web/suspend"))
    answer = await house.http.get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert answer.status_code == 401


async def test_people_see_their_own_events_and_administrators_all(house: House) -> None:
    bob = await house.sign_in("bob")
    ada = await house.sign_in("ada")
    page = (await ada.get("/activity")).text
    assert "Ada" in page
    assert "Bob signed in" not in page
    assert "Chain verified" in page
    await administrator(house)
    assert "Bob signed in" in (await ada.get("/activity")).text
    own = [json.loads(line) for line in (await bob.get("/activity/export")).text.splitlines()]
    assert own
    assert {line["actor"]["user"] for line in own} == {(await user(house, "bob")).id}
    everything = [json.loads(line) for line in (await ada.get("/activity/export")).text.splitlines()]
    assert [line["seq"] for line in everything] == list(range(1, len(everything) + 1))
    assert all("hash" in line for line in everything)


async def user(house: House, name: str) -> User:
    found = await house.store.users.by_email(f"{name}@example.com")
    assert found is not None
    return found


async def test_what_was_asked_is_told_to_whom_it_was_asked(house: House) -> None:
    await asked(house)
    ada = await house.sign_in()
    assert "Trading assistant asked Ada Lovelace: buy 10 shares of ZEKO" in (await ada.get("/activity")).text
    bob = await house.store.users.by_email("bob@example.com")
    assert bob is not None
    await house.store.commit(house.store.users.put(replace(bob, administrator=True)))
    page = (await (await house.sign_in("bob")).get("/activity")).text
    assert "Trading assistant asked Ada Lovelace" in page
    assert "ZEKO" not in page


async def test_without_sign_in_these_pages_lead_to_it(house: House) -> None:
    for path in ("/console", "/activity", "/activity/export"):
        page = await house.browser().get(path)
        assert page.request.url.path == "/login"


class TestFirstAdministrator:
    async def ticket(self, house: House) -> str:
        ticket = await set_up.offer(house.store, house.clock)
        assert ticket is not None
        return ticket

    @proves("setup.one-link")
    async def test_the_link_makes_one_and_is_then_dead(self, house: House) -> None:
        link = f"/setup?ticket={await self.ticket(house)}"
        other = f"/setup?ticket={await self.ticket(house)}"
        browser = house.browser()
        await browser.get(link)
        page = await browser.submit(name="Grace", email="grace@example.com", password=PASSWORD)
        assert page.request.url.path == "/login"
        assert (await user(house, "grace")).administrator
        for dead in (link, other):
            assert (await house.browser().get(dead)).status_code == 404
        assert await set_up.offer(house.store, house.clock) is None

    async def test_the_ticket_is_kept_as_a_hash(self, house: House) -> None:
        ticket = await self.ticket(house)
        assert await house.store.interactions.get(ticket) is None

    async def test_it_ends_after_half_an_hour(self, house: House) -> None:
        link = f"/setup?ticket={await self.ticket(house)}"
        house.clock.forward(set_up.LINK_SECONDS)
        assert (await house.browser().get(link)).status_code == 404

    @pytest.mark.parametrize("ticket", ["", "x", "a" * 43])
    async def test_a_guessed_link_shows_nothing(self, house: House, ticket: str) -> None:
        await self.ticket(house)
        assert (await house.browser().get(f"/setup?ticket={ticket}")).status_code == 404

    async def test_two_people_with_two_links_make_one_administrator(self, house: House) -> None:
        one, two = house.browser(), house.browser()
        await one.get(f"/setup?ticket={await self.ticket(house)}")
        await two.get(f"/setup?ticket={await self.ticket(house)}")
        await one.submit(name="Grace", email="grace@example.com", password=PASSWORD)
        await two.submit(name="Eve", email="eve@example.com", password=PASSWORD)
        assert [one.email for one in await house.store.users.all() if one.administrator] == ["grace@example.com"]

    async def test_what_is_wrong_is_said_beside_its_field(self, house: House) -> None:
        browser = house.browser()
        await browser.get(f"/setup?ticket={await self.ticket(house)}")
        page = await browser.submit(name="Grace", email="nonsense", password="short")
        assert page.status_code == 422
        assert "not an e-mail address" in page.text
        assert "at least 12" in page.text
        taken = await browser.submit(name="Grace", email="ada@example.com", password=PASSWORD)
        assert "already" in taken.text
        done = await browser.submit(name="Grace", email="grace@example.com", password=PASSWORD)
        assert done.request.url.path == "/login"
