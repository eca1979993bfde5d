"""Connected accounts and the connect page, over HTTP and without JavaScript: what they say, and what they let whom do."""

from __future__ import annotations

import asyncio
import csv
import io
from typing import Any

import httpx2
import msgspec
import pytest
from tests.fixtures.browser import Browser, Form, forms
from tests.fixtures.vault import Vault
from tests.ledger import proves

from remit_server.records import Client, ConnectedAccount, Connection
from remit_server.records.connection import ORGANISATION
from remit_server.records.provider import Field
from remit_server.vault import accounts

WORDS = {"calendar.read": "See your calendars", "calendar.write": "Add and change entries"}


def form_to(page: httpx2.Response, end: str) -> Form:
    return next(form for form in forms(page.text) if form.action.endswith(end))


async def change(vault: Vault, **members: Any) -> None:
    """Another configuration of the calendar connection."""
    await vault.house.store.commit(vault.house.store.connections.put(vault.meridian.connection(**members)))


async def make(vault: Vault, name: str, **members: Any) -> None:
    user = await vault.house.store.users.get(f"auth0|{name}")
    assert user is not None
    await vault.house.store.commit(vault.house.store.users.put(msgspec.structs.replace(user, **members)))


async def by_hand(vault: Vault, user: str = "ada", *, there: str | None = None, **said: str) -> Browser:
    """Connect from the page of accounts, without an agent."""
    browser = await vault.house.sign_in(user)
    page = await browser.get("/accounts")
    await browser.submit(form_to(page, "/accounts/connect"), press=("for", said.pop("whose", "me")))
    return await vault.follow(str(browser.page.request.url), browser=browser, there=there or user, **said)


async def of(vault: Vault, owner: str = "auth0|ada") -> list[ConnectedAccount]:
    return list(await vault.house.store.connected_accounts.of_user(owner))


async def default(vault: Vault, owner: str = "auth0|ada") -> str | None:
    (label,) = [account.label for account in await of(vault, owner) if account.default]
    return label


class TestOneMoreScope:
    @proves("vault.one-more-scope")
    async def test_it_keeps_the_account_its_id_and_what_it_had(self, vault: Vault) -> None:
        await change(vault, scope_words=WORDS)
        await vault.connected()
        before = await vault.account()
        await vault.allow("agent", calendar=("calendar.read", "calendar.write"))
        link = (await vault.exchange(scope="calendar.write")).json()["connect_uri"]
        browser = await vault.house.sign_in("ada")
        page = await browser.get(link)
        assert "Add and change entries" in page.text
        assert "Allows 0 of these 1" not in page.text
        assert "Keeps what else it has" in page.text
        assert browser.form.value("account") == before.id, "the account that is there is proposed"
        await vault.follow(link, browser=browser)
        after = await vault.account()
        assert (after.id, set(after.scopes)) == (before.id, set(WORDS))
        assert after.created_at == before.created_at
        assert (await vault.exchange(scope="calendar.read")).status_code == 200

    async def test_what_is_new_is_marked(self, vault: Vault) -> None:
        await change(vault, scope_words=WORDS)
        await vault.connected()
        await vault.allow("agent", calendar=("calendar.read", "calendar.write"))
        link = (await vault.exchange(scope="calendar.write calendar.read")).json()["connect_uri"]
        page = (await (await vault.house.sign_in("ada")).get(link)).text
        assert '<bdi>Add and change entries</bdi> <span class="badge">new</span>' in page
        assert "<bdi>See your calendars</bdi></li>" in page
        assert "Allows 1 of these 2" in page

    async def test_another_account_gets_what_is_asked_and_no_more(self, vault: Vault) -> None:
        await by_hand(vault)
        begun = await vault.begin()
        link = f"/connect?ticket={begun.json()['connect_params']['ticket']}"
        browser = await vault.house.sign_in("ada")
        await browser.get(link)
        widened = await vault.leave(browser)
        await browser.get(link)
        another = await vault.leave(browser, account="new")
        assert ("calendar.write" in widened, "calendar.write" in another) == (True, False)


class TestSeveralAccounts:
    @proves("vault.one-default")
    async def test_the_first_is_the_default_until_the_person_says_otherwise(self, vault: Vault) -> None:
        await by_hand(vault)
        assert "default" not in (await (await vault.house.sign_in("ada")).get("/accounts")).text.partition("<main")[2]
        browser = await by_hand(vault, there="bob")
        assert [account.label for account in await of(vault)] == ["ada@meridian.example", "bob@meridian.example"]
        assert await default(vault) == "ada@meridian.example"
        page = await browser.get("/accounts")
        assert page.text.count("<strong>default</strong>") == 1
        page = await browser.submit(form_to(page, "/default"))
        assert "bob@meridian.example is the default now" in page.text
        assert await default(vault) == "bob@meridian.example"
        (event,) = await vault.house.events("vault.default_chosen")
        assert event.actor.user == "auth0|ada"

    @proves("vault.one-default")
    async def test_a_default_that_goes_hands_it_on(self, vault: Vault) -> None:
        await by_hand(vault)
        browser = await by_hand(vault, there="bob")
        page = await browser.get("/accounts")
        assert "goes on with <bdi><strong>bob@meridian.example</strong>" in page.text
        await browser.submit(form_to(page, "/disconnect"))
        assert await default(vault) == "bob@meridian.example"

    async def test_who_signs_in_there_as_somebody_else_leaves_the_account_as_it_was(self, vault: Vault) -> None:
        await vault.connected()
        before = await vault.account()
        browser = await vault.house.sign_in("ada")
        page = await browser.get("/accounts")
        await browser.submit(form_to(page, "/reconnect"))
        await vault.follow(str(browser.page.request.url), browser=browser, there="bob")
        assert "somebody other than" in browser.page.text
        first, second = await of(vault)
        assert (first.id, first.upstream_id, first.access_token) == (before.id, "mer_ada", before.access_token)
        assert second.upstream_id == "mer_bob"

    async def test_where_the_provider_does_not_say_who_it_is_the_person_does(self, vault: Vault) -> None:
        await change(vault, userinfo_endpoint=None)
        await by_hand(vault)
        browser = await by_hand(vault, account="new")
        first, second = await of(vault)
        page = await browser.get("/accounts")
        await browser.submit(next(f for f in forms(page.text) if f.action == f"/accounts/{second.id}/reconnect"))
        await vault.follow(str(browser.page.request.url), browser=browser)
        same, renewed = await of(vault)
        assert same == first
        assert (renewed.id, renewed.access_token != second.access_token) == (second.id, True)

    async def test_a_link_proposes_the_account_that_the_agent_could_not_use(self, vault: Vault) -> None:
        await by_hand(vault)
        await by_hand(vault, there="bob")
        first, second = await of(vault)
        broken = msgspec.structs.replace(second, state="reconnect", cause="Withdrawn.")
        await vault.house.store.commit(vault.house.store.connected_accounts.save(broken))
        link = (await vault.exchange(login_hint="bob@meridian.example")).json()["connect_uri"]
        browser = await vault.house.sign_in("ada")
        await browser.get(link)
        assert browser.form.value("account") == second.id != first.id

    async def test_somebody_elses_account_is_not_meant(self, vault: Vault) -> None:
        await vault.connected("bob")
        bobs = await vault.account("bob")
        link = (await vault.exchange()).json()["connect_uri"]
        browser = await vault.house.sign_in("ada")
        await browser.get(link)
        page = await browser.submit(press=("answer", "continue"), account=bobs.id)
        assert (page.status_code, "choose again" in page.text) == (400, True)

    async def test_two_flows_for_one_account_make_one(self, vault: Vault) -> None:
        links = [(await vault.exchange()).json()["connect_uri"] for _ in range(2)]
        browsers = [await vault.house.sign_in("ada") for _ in links]
        backs = []
        for browser, link in zip(browsers, links, strict=True):
            await browser.get(link)
            backs.append(await vault.meridian.agree(await vault.leave(browser)))
        pages = await asyncio.gather(*(browser.get(back) for browser, back in zip(browsers, backs, strict=True)))
        assert ["is connected" in page.text for page in pages] == [True, True]
        assert len(await of(vault)) == 1, "whoever comes second renews what came first"


class TestTheOrganisation:
    @pytest.fixture
    async def shared(self, vault: Vault) -> Vault:
        """Bob administers, and connected an account for all traders."""
        await change(vault, shared_with=("traders",))
        await make(vault, "bob", administrator=True)
        browser = await by_hand(vault, "bob", whose="organisation")
        assert "is connected" in browser.page.text
        return vault

    @proves("vault.shared-by-administrators")
    async def test_who_may_borrow_it_sees_whose_it_is_and_cannot_change_it(self, shared: Vault) -> None:
        (account,) = await of(shared, ORGANISATION)
        assert not await of(shared, "auth0|bob")
        browser = await shared.house.sign_in("ada")
        page = await browser.get("/accounts")
        assert "Shared by <bdi>your organisation</bdi>" in page.text
        assert not [form.action for form in forms(page.text) if form.action.endswith(("/reconnect", "/disconnect"))]
        csrf = form_to(page, "/agents").value("csrf") or ""
        for verb in ("reconnect", "disconnect", "default"):
            refused = await browser.post(f"/accounts/{account.id}/{verb}", {"csrf": csrf})
            assert refused.status_code == 404, verb
        assert await of(shared, ORGANISATION) == [account]
        (event,) = await shared.house.events("vault.connected")
        assert (event.actor.user, event.about["shared"]) == ("auth0|bob", True)

    @proves("vault.shared-by-administrators")
    async def test_who_may_not_borrow_it_does_not_learn_of_it(self, shared: Vault) -> None:
        (account,) = await of(shared, ORGANISATION)
        await make(shared, "ada", groups=("guests",))
        browser = await shared.house.sign_in("ada")
        assert account.id not in (await browser.get("/accounts")).text
        assert (await browser.get(f"/accounts/{account.id}/log")).status_code == 404

    @proves("vault.shared-by-administrators")
    async def test_only_an_administrator_connects_for_it_to_the_end(self, shared: Vault) -> None:
        ada = await shared.house.sign_in("ada")
        page = await ada.get("/accounts")
        assert ("for", "organisation") not in form_to(page, "/accounts/connect").buttons
        page = await ada.submit(form_to(page, "/accounts/connect"), press=("for", "organisation"))
        assert (page.status_code, page.request.url.path) == (404, "/accounts/connect"), "not even a flow begins"
        bob = await shared.house.sign_in("bob")
        offer = form_to(await bob.get("/accounts"), "/accounts/connect")
        assert ("for", "organisation") in offer.buttons
        await bob.submit(offer, press=("for", "organisation"))
        assert "traders" in bob.page.text
        back = await shared.meridian.agree(await shared.leave(bob, account="new"), "ada")
        await make(shared, "bob", administrator=False)
        assert (await bob.get(back)).status_code == 404, "no administrator any more"
        assert len(await of(shared, ORGANISATION)) == 1

    async def test_a_connection_that_nobody_shares_is_not_connected_for_it(self, shared: Vault) -> None:
        await change(shared)
        bob = await shared.house.sign_in("bob")
        page = await bob.get("/accounts")
        csrf = form_to(page, "/disconnect").value("csrf") or ""
        sent = {"csrf": csrf, "connection": "calendar", "for": "organisation"}
        assert (await bob.post("/accounts/connect", sent)).status_code == 404

    async def test_what_a_borrower_lends_on_is_their_own_and_limits_nobody(self, shared: Vault) -> None:
        (account,) = await of(shared, ORGANISATION)
        browser = await shared.house.sign_in("ada")
        form = form_to(await browser.get("/accounts"), "/agents")
        await browser.submit(form, limited="yes", away="agent")
        (after,) = await of(shared, ORGANISATION)
        assert not after.limited
        ada = await shared.house.store.users.get("auth0|ada")
        assert ada is not None
        await accounts.agree(shared.house.machines, ada, account, accounts.Terms(limited=True, lent={"agent": True}))
        (after,) = await of(shared, ORGANISATION)
        assert not after.limited, "nor by the verb itself"
        (lending,) = await shared.house.store.lendings.of_user("auth0|ada")
        assert (lending.account_id, lending.away) == (account.id, True)
        assert not await shared.house.store.lendings.of_user("auth0|bob")

    async def test_administrators_take_it_away_for_everybody(self, shared: Vault) -> None:
        browser = await shared.house.sign_in("bob")
        page = await browser.get("/accounts")
        assert "for everybody" in page.text
        page = await browser.submit(form_to(page, "/disconnect"))
        assert "The provider confirmed it." in page.text
        assert not await of(shared, ORGANISATION)

    async def test_the_use_log_of_a_borrower_holds_their_own_use(self, shared: Vault) -> None:
        (account,) = await of(shared, ORGANISATION)
        assert (await shared.exchange()).status_code == 200
        log = f"/accounts/{account.id}/log"
        kinds = {
            name: [event["kind"] for event in (await (await shared.house.sign_in(name)).get(log)).json()]
            for name in ("ada", "bob")
        }
        assert kinds["ada"] == ["vault.exchanged"]
        assert kinds["bob"] == ["vault.connected", "vault.refreshed", "vault.exchanged"]


class TestWhichAgents:
    async def lent(self, vault: Vault) -> dict[str, bool]:
        return {each.client_id: each.away for each in await vault.house.store.lendings.of_user("auth0|ada")}

    @proves("vault.persons-word")
    async def test_an_agent_that_asked_is_lent_the_account_while_the_person_is_there(self, vault: Vault) -> None:
        link = (await vault.exchange()).json()["connect_uri"]
        browser = await vault.house.sign_in("ada")
        await browser.get(link)
        assert browser.form.value("away") is None, "the box is not ticked"
        await vault.follow(link, browser=browser)
        assert await self.lent(vault) == {"agent": False}

    @proves("vault.persons-word")
    async def test_also_while_away_is_a_box_on_the_connect_page(self, vault: Vault) -> None:
        link = (await vault.exchange()).json()["connect_uri"]
        await vault.follow(link, away="yes")
        assert await self.lent(vault) == {"agent": True}
        again = await vault.begin()
        await vault.follow(f"/connect?ticket={again.json()['connect_params']['ticket']}")
        assert await self.lent(vault) == {"agent": True}, "connecting again takes nothing back"

    async def test_who_comes_by_themselves_lends_to_nobody(self, vault: Vault) -> None:
        await by_hand(vault, away="yes")
        assert await self.lent(vault) == {}

    @proves("vault.persons-word")
    async def test_only_the_agents_that_are_ticked(self, vault: Vault) -> None:
        await vault.house.store.commit(
            vault.house.store.clients.put(
                Client(id="other", name="Research", kind="agent", connections={"calendar": ("calendar.read",)})
            )
        )
        await vault.connected()
        await vault.exchange()
        browser = await vault.house.sign_in("ada")
        form = form_to(await browser.get("/accounts"), "/agents")
        unticked = Form(form.action, form.method, [each for each in form.fields if each[0] not in {"agent", "away"}])
        page = await browser.submit(unticked, limited="yes", agent="other", away="nobody")
        assert "Only the agents that you ticked" in page.text
        assert (await vault.account()).limited
        assert await self.lent(vault) == {"other": False}
        assert (await vault.exchange()).status_code == 401
        assert "may not any more" in page.text
        form = form_to(page, "/agents")
        assert ("agent", "agent") not in form.fields
        page = await browser.submit(unticked, limited="no", away="agent")
        assert "All agents that are set up" in page.text
        assert await self.lent(vault) == {"agent": True, "other": False}
        assert (await vault.exchange()).status_code == 200
        kinds = [event.kind for event in await vault.house.events() if event.kind in {"vault.limited", "vault.lent"}]
        assert kinds == ["vault.lent", "vault.limited", "vault.lent", "vault.limited", "vault.lent"]

    async def test_disconnecting_ends_what_was_lent(self, vault: Vault) -> None:
        await vault.connected()
        browser = await vault.house.sign_in("ada")
        page = await browser.get("/accounts")
        assert "Trading assistant</bdi> stops working with Meridian at once" in page.text
        await browser.submit(form_to(page, "/disconnect"))
        assert await self.lent(vault) == {}

    async def test_a_provider_that_cannot_be_told_is_said_to_be_so(self, vault: Vault) -> None:
        await vault.connected()
        await change(vault, revocation_endpoint=None)
        browser = await vault.house.sign_in("ada")
        page = await browser.submit(form_to(await browser.get("/accounts"), "/disconnect"))
        assert "cannot be told from here" in page.text

    async def test_trouble_says_since_when_and_that_nothing_is_to_be_done(self, vault: Vault) -> None:
        await vault.connected()
        account = await vault.account()
        failing = msgspec.structs.replace(
            account, failing_since=vault.house.clock.now() - 600, failure="The provider is busy."
        )
        await vault.house.store.commit(vault.house.store.connected_accounts.save(failing))
        page = (await (await vault.house.sign_in("ada")).get("/accounts")).text
        for said in (">trouble<", "The provider is busy.", "10 min ago", "nothing that you need to do"):
            assert said in page


class TestUseLog:
    async def test_it_tells_each_use_and_nothing_secret(self, vault: Vault) -> None:
        await vault.connected()
        await vault.exchange()
        account = await vault.account()
        browser = await vault.house.sign_in("ada")
        page = await browser.get(f"/accounts/{account.id}/log?format=json")
        assert page.headers["content-type"] == "application/json"
        assert "attachment" in page.headers["content-disposition"]
        assert [event["kind"] for event in page.json()] == ["vault.connected", "vault.lent", "vault.exchanged"]
        assert page.json()[-1]["actor"]["client"] == "agent"
        for secret in (account.access_token, account.refresh_token):
            assert secret not in page.text
        rows = list(csv.reader(io.StringIO((await browser.get(f"/accounts/{account.id}/log?format=csv")).text)))
        assert [row[2] for row in rows] == ["event", "vault.connected", "vault.lent", "vault.exchanged"]
        assert (await browser.get(f"/accounts/{account.id}/log?format=xlsx")).status_code == 400

    async def test_it_is_whole_however_long(self, vault: Vault) -> None:
        await vault.connected()
        account = await vault.account()
        used = [
            vault.house.machines.event("vault.exchanged", user="auth0|ada", subject=account.id) for _ in range(1100)
        ]
        await vault.house.store.commit(events=used)
        browser = await vault.house.sign_in("ada")
        assert len((await browser.get(f"/accounts/{account.id}/log")).json()) == 1102

    async def test_a_cell_is_never_a_formula(self, vault: Vault) -> None:
        await vault.connected()
        account = await vault.account()
        event = vault.house.machines.event("vault.exchanged", user="auth0|ada", client="=1+1", subject=account.id)
        await vault.house.store.commit(events=(event,))
        browser = await vault.house.sign_in("ada")
        assert ",'=1+1," in (await browser.get(f"/accounts/{account.id}/log?format=csv")).text

    async def test_it_is_for_who_sees_the_account(self, vault: Vault) -> None:
        await vault.connected()
        account = await vault.account()
        assert (await (await vault.house.sign_in("bob")).get(f"/accounts/{account.id}/log")).status_code == 404
        guest = vault.house.browser()
        await guest.get(f"/accounts/{account.id}/log")
        assert guest.form.action == "/login"


class TestKeys:
    KEY = "sk_live_0123456789"

    @pytest.fixture
    async def stripe(self, vault: Vault) -> Browser:
        """Ada at the page where she types a key."""
        fields = (
            Field(name="account", title="Account"),
            Field(name="key", title="Secret key", secret=True, pattern="sk_\\w+"),
        )
        stripe = Connection(name="stripe", provider="stripe", kind="api_key", display_name="Stripe", fields=fields)
        await vault.house.store.commit(vault.house.store.connections.put(stripe))
        browser = await vault.house.sign_in("ada")
        page = await browser.get("/accounts")
        form = next(one for one in forms(page.text) if one.value("connection") == "stripe")
        await browser.submit(form, press=("for", "me"))
        return browser

    async def typed(self, browser: Browser, key: str) -> httpx2.Response:
        said = {"field.account": "acct_1", "field.key": key}
        return await browser.submit(press=("answer", "continue"), **said)

    @proves("vault.typed-never-shown")
    async def test_what_was_typed_wrong_is_asked_again_and_a_secret_not_sent_back(self, stripe: Browser) -> None:
        page = await self.typed(stripe, "pk_" + self.KEY)
        assert page.status_code == 422
        assert "This does not look like Secret key of Stripe." in page.text
        assert stripe.form.value("field.account") == "acct_1"
        assert self.KEY not in page.text
        assert "is connected" in (await self.typed(stripe, self.KEY)).text

    @proves("vault.typed-never-shown")
    async def test_what_was_typed_is_never_shown(self, stripe: Browser, vault: Vault) -> None:
        page = await self.typed(stripe, self.KEY)
        (account,) = await of(vault)
        assert account.credentials["key"] == self.KEY
        log = f"/accounts/{account.id}/log"
        for seen in (page, await stripe.get("/accounts"), await stripe.get(log), await stripe.get(f"{log}?format=csv")):
            assert seen.status_code == 200
            assert self.KEY not in seen.text
        assert self.KEY not in (await vault.me("GET", "accounts")).text

    async def test_browsers_are_asked_to_forget_it(self, stripe: Browser) -> None:
        key = next(tag for tag in stripe.page.text.split("<input") if 'name="field.key"' in tag)
        assert 'type="password"' in key
        assert 'autocomplete="new-password"' in key
        assert (
            '<form method="post" action="/accounts/connect/start" class="card" autocomplete="off">' in stripe.page.text
        )
