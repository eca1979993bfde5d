"""Every page on a live server, in a real browser: the ways that people go, each with JavaScript and without.

`SHOTS=<folder>` keeps pictures of all of them: at 390 and at 1280 px, in light and in dark.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import msgspec
import pytest
from playwright.async_api import Browser, Locator, expect
from tests.fixtures.asking import ORDER, asked
from tests.fixtures.house import BROKER, PASSWORD, clients, request_of
from tests.fixtures.relations import put_store
from tests.fixtures.town import Town, chromium_running, town_at
from tests.fixtures.vault import BOB
from tests.ledger import proves
from tests.pages.conftest import MODEL, STORE, TUPLES

from remit_server.management import set_up
from remit_server.records import Approval, Event, User
from remit_server.records.event import Actor
from remit_server.rules import totp
from remit_server.rules.relations.model import parse
from remit_server.vault import connect

pytestmark = pytest.mark.browser

ENDLESS = "Antidisestablishmentarianism" * 6


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with chromium_running() as running:
        yield running


@pytest.fixture(scope="module", params=[True, False], ids=["javascript", "plain"])
async def whole_town(
    chromium: Browser, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    async with town_at(tmp_path_factory.mktemp("town"), chromium, javascript=request.param) as town:
        yield town


@pytest.fixture
async def town(whole_town: Town) -> AsyncIterator[Town]:
    yield whole_town
    while whole_town.people:
        await whole_town.people.pop().close()


CLEAN = proves("page.csp", "page.axe", "page.without-javascript")


@CLEAN
async def test_sign_in_and_out(town: Town) -> None:
    ada = await town.person()
    await ada.open("/")
    await ada.meets("Sign in to Acme", "sign-in")
    await ada.sign_in(password="a wrong guess")
    await ada.meets("Sign in to Acme", "sign-in-wrong")
    await ada.sign_in()
    await ada.meets("Approvals", "inbox-empty")
    await ada.open("/accounts")
    await ada.open("/logout")
    await ada.meets("Sign out?", "sign-out")
    await ada.press("Sign out")
    await ada.meets("You are signed out", "signed-out")
    await ada.open("/approvals")
    await ada.meets("Sign in to Acme", "sign-in-again")
    assert not ada.findings, "\n".join(ada.findings)


@CLEAN
async def test_consent(town: Town) -> None:
    ada = await town.person()
    asks = urlencode(
        request_of(
            "stranger", redirect_uri=f"{town.app.url}/callback", audience=BROKER,
            scope="openid profile email offline_access trade:write portfolio:read",
            authorization_details=json.dumps([ORDER]), prompt="consent",
        )
    )  # fmt: skip
    await ada.open(f"/authorize?{asks}")
    await ada.meets("Sign in to Acme", "sign-in-for-app")
    await ada.sign_in()
    await ada.meets("would like to act for you", "consent")
    await ada.page.uncheck("[value='trade:write']")
    await ada.press("Allow")
    await ada.page.wait_for_url(f"{town.app.url}/callback?**")
    assert "code=" in ada.page.url
    await ada.open(f"/authorize?{asks}")
    await ada.press("Cancel")
    await ada.page.wait_for_url(f"{town.app.url}/callback?**")
    assert "error=access_denied" in ada.page.url
    assert not ada.findings, "\n".join(ada.findings)


@CLEAN
async def test_device(town: Town) -> None:
    ada = await town.signed_in()
    form = {"scope": "openid profile offline_access trade:write portfolio:read", "audience": BROKER}
    for answer, heading in (("Yes, allow it", "now acts for you"), ("No, not me", "Nothing was allowed")):
        asks = await town.house.http.post("/oauth/device/code", data={**form, **town.house.proof("agent")})
        await ada.open("/device")
        await ada.meets("Enter the code", "device-code")
        await ada.page.fill("[name=user_code]", "BCDF-GHJK")
        await ada.press("Go on")
        await ada.meets("Enter the code", "device-code-wrong")
        await ada.page.fill("[name=user_code]", asks.json()["user_code"].lower())
        await ada.press("Go on")
        await ada.meets("Did you start Trading assistant just now?", "device-confirm")
        await ada.press(answer)
        await ada.meets(heading, "device-done" if answer.startswith("Yes") else "device-refused")
    assert not ada.findings, "\n".join(ada.findings)


@CLEAN
async def test_approvals(town: Town) -> None:
    ada = await town.signed_in()
    for quantity in (10, 11, 12):
        await asked(town.house, authorization_details=json.dumps([{**ORDER, "quantity": quantity}]))
    await ada.open("/approvals")
    await ada.meets("Approvals", "inbox")
    await ada.follow("buy 10 shares of ZEKO")
    await ada.may_approve()
    await ada.meets("wants to buy 10 shares of ZEKO for you", "approval")
    await ada.may_approve()
    await ada.press("Approve")
    await ada.meets("wanted to buy 10 shares of ZEKO for you", "approved")
    await expect(ada.page.locator("main")).to_contain_text("You approved this")
    await ada.follow("Inbox")
    await ada.follow("buy 11 shares of ZEKO")
    await ada.page.locator(".answers summary").first.click()
    await ada.meets("wants to buy 11 shares of ZEKO for you", "denying")
    await ada.page.get_by_label("Wrong amount").check()
    await ada.page.fill("[name=reason_text]", "I said ten")
    await ada.press("Deny")
    await ada.meets("wanted to buy 11 shares of ZEKO for you", "denied")
    await expect(ada.page.locator("main")).to_contain_text("Wrong amount: I said ten")
    town.house.clock.forward(600)
    await ada.open("/approvals")
    await ada.meets("Approvals", "inbox-decided")
    await ada.follow("buy 12 shares of ZEKO")
    await ada.meets("wanted to buy 12 shares of ZEKO for you", "expired")
    await ada.follow("Stop this agent…")
    await ada.meets("Stop Trading assistant?", "stop")
    await ada.follow("No, go back")
    await ada.follow("Inbox")
    await ada.follow("All of the history")
    await ada.page.get_by_label("Ended").select_option("denied")
    await ada.press("Show")
    await ada.meets("History", "history-denied")
    await expect(ada.page.locator("a.row")).to_have_count(1)
    assert not ada.findings, "\n".join(ada.findings)


@CLEAN
async def test_accounts(town: Town) -> None:
    ada = await town.signed_in()
    await ada.open("/accounts")
    await ada.meets("Connected accounts", "accounts-none")
    await ada.press("Connect Meridian")
    await ada.meets("Connect Meridian", "connect")
    await ada.press("Continue")
    await ada.agree_at_meridian()
    await ada.meets("Meridian is connected", "connected")
    await ada.follow("Connected accounts")
    await ada.meets("Connected accounts", "accounts")
    await ada.press("Add Meridian")
    await ada.press("Continue")
    await ada.agree_at_meridian(BOB)
    await ada.meets("Meridian is connected", "connected-another")
    await ada.open("/accounts")
    await ada.press("Make default Meridian, bob@meridian.example")
    await expect(ada.page.get_by_role("status")).to_contain_text("bob@meridian.example is the default now")
    for shut in ("Limit to agents…", "Disconnect"):
        await ada.page.locator("summary", has=ada.page.get_by_text(shut, exact=True)).first.click()
    await ada.meets("Connected accounts", "accounts-open")
    await ada.page.get_by_label("Only those ticked").first.check()
    await ada.page.get_by_role("checkbox", name="Trading assistant, also while you are away").first.check()
    await ada.press("Save Meridian, ada@meridian.example")
    await expect(ada.page.get_by_role("status")).to_contain_text("Only the agents that you ticked")
    await expect(ada.page.get_by_role("list", name="Agents").first).to_contain_text("also while you are away")
    await ada.page.locator("summary", has=ada.page.get_by_text("Disconnect", exact=True)).first.click()
    await ada.press("Yes, disconnect Meridian, ada@meridian.example")
    await ada.meets("Connected accounts", "disconnected")
    await ada.press("Add Meridian")
    await ada.press("Cancel")
    await ada.meets("Meridian is not connected", "not-connected")
    assert not ada.findings, "\n".join(ada.findings)


@CLEAN
async def test_an_agent_asks_for_an_account(town: Town) -> None:
    ada = await town.signed_in()
    await ada.open(await wanted_by_agent(town))
    await ada.meets("asks for your Meridian account", "connect-asked")
    await expect(ada.page.get_by_role("checkbox", name="Also while I am away")).not_to_be_checked()
    cancel, go = ada.button("Cancel"), ada.button("Continue")
    assert await size(cancel) == await size(go), "to cancel is as easy"
    await ada.tab_to(cancel)
    await ada.tab_to(go)
    await ada.page.keyboard.press("Enter")
    await ada.agree_at_meridian()
    await ada.meets("Meridian is connected", "connected-asked")
    assert not ada.findings, "\n".join(ada.findings)


@CLEAN
async def test_a_key_is_typed(town: Town) -> None:
    ada = await town.signed_in()
    await ada.open("/accounts")
    await ada.press("Connect Stripe")
    await ada.meets("Connect Stripe", "connect-key")
    await ada.page.get_by_label("Secret key").fill("a key with spaces")
    await ada.press("Connect")
    await ada.meets("Connect Stripe", "connect-key-wrong")
    assert await ada.page.get_by_label("Secret key").input_value() == "", "not even to who typed it"
    await ada.page.get_by_label("Secret key").fill("sk_live_0123456789")
    await ada.press("Connect")
    await ada.meets("Stripe is connected", "connected-key")
    await ada.open("/accounts")
    assert "sk_live" not in await ada.page.content()
    await ada.page.locator("summary", has=ada.page.get_by_text("Disconnect", exact=True)).last.click()
    await ada.page.get_by_role("button", name="Yes, disconnect Stripe").click()
    await ada.meets("Connected accounts", "key-disconnected")
    assert not ada.findings, "\n".join(ada.findings)


@CLEAN
async def test_an_account_of_the_organisation(town: Town) -> None:
    bob, ada = await town.signed_in("bob"), await town.signed_in()
    await bob.open("/accounts")
    await bob.page.get_by_role("button", name="Connect for Acme").click()
    await bob.meets("Connect Meridian for Acme", "connect-shared")
    await bob.press("Continue")
    await bob.agree_at_meridian(BOB)
    await ada.open("/accounts")
    await expect(ada.page.get_by_text("Shared by Acme")).to_be_visible()
    await ada.meets("Connected accounts", "accounts-shared")
    await bob.open("/accounts")
    await bob.page.locator("summary", has=bob.page.get_by_text("Disconnect", exact=True)).last.click()
    await expect(bob.page.get_by_text("for everybody")).to_be_visible()
    await bob.page.get_by_role("button", name="Yes, disconnect").last.click()
    await bob.meets("Connected accounts", "accounts-shared-gone")
    assert not ada.findings + bob.findings, "\n".join(ada.findings + bob.findings)


async def wanted_by_agent(town: Town) -> str:
    """The link that an agent gets instead of a token."""
    begun = await connect.begin(
        town.house.machines,
        await person(town),
        "calendar",
        client=await town.house.store.clients.get("agent"),
        scopes=("calendar.read",),
    )
    return f"/connect?ticket={begun.ticket}"


async def person(town: Town) -> User:
    found = await town.house.store.users.get("auth0|ada")
    assert found is not None
    return found


async def size(button: Locator) -> tuple[float, float]:
    box = await button.bounding_box()
    assert box is not None
    return box["width"], box["height"]


@CLEAN
async def test_activity_and_console(town: Town) -> None:
    bob = await town.signed_in("bob")
    await bob.open("/console")
    await bob.meets("Console", "console")
    await bob.press("Suspend Nightly report")
    await bob.meets("Console", "console-suspended")
    await expect(bob.page.get_by_role("status")).to_contain_text("Nightly report is suspended")
    await bob.press("Resume Nightly report")
    await expect(bob.page.get_by_role("status")).to_contain_text("Nightly report is active again")
    await bob.follow("Activity")
    await bob.meets("Activity", "activity")
    await bob.page.select_option("#agent", label="Nightly report")
    await bob.press("Show")
    await bob.meets("Activity", "activity-of-one")
    assert not bob.findings, "\n".join(bob.findings)


@CLEAN
async def test_relations(town: Town) -> None:
    if await town.house.store.relations.store(STORE) is None:
        await put_store(town.house.store, STORE, parse(MODEL), *TUPLES, now=town.house.clock.now())
    bob = await town.signed_in("bob")
    fields = bob.page.locator("details form")
    await bob.open("/console")
    await bob.follow("Relations")
    await bob.meets("Relations", "relations")
    await bob.follow("documents")
    await bob.meets("documents", "store")
    await bob.follow("Tuples")
    await bob.meets("documents", "tuples")
    await bob.page.locator("summary", has_text="Add a tuple").click()
    for label, value in (("User", "user:*"), ("has", "owner"), ("of", "document:plan")):
        await fields.get_by_label(label, exact=True).fill(value)
    await bob.press("Add this tuple")
    await bob.meets("documents", "tuples-wrong")
    await expect(fields.get_by_label("User", exact=True)).to_have_accessible_description(re.compile("does not take"))
    await fields.get_by_label("User", exact=True).fill("user:eve")
    await bob.press("Add this tuple")
    await bob.meets("documents", "tuples-added")
    await expect(bob.page.get_by_role("status")).to_contain_text("Added: user:eve has owner of document:plan.")
    await bob.page.locator("li", has_text="eve").locator("summary").click()
    await bob.page.get_by_role("button", name="Yes, delete it").click()
    await expect(bob.page.get_by_role("status")).to_contain_text("Deleted: user:eve")
    await bob.follow("Changes")
    await bob.meets("documents", "changes")
    await bob.follow("Why?")
    await bob.page.get_by_label("Does").fill("user:ada")
    await bob.page.get_by_label("have").fill("viewer")
    await bob.page.get_by_label("of", exact=True).fill("document:plan")
    await bob.press("Why?")
    await bob.meets("documents", "why-yes")
    await expect(bob.page.get_by_role("heading", level=2)).to_have_text("Yes. user:ada has viewer of document:plan.")
    await bob.page.get_by_label("Does").fill("user:eve")
    await bob.page.get_by_label("Does").press("Enter")
    await bob.meets("documents", "why-no")
    await bob.follow("Add it…")
    await bob.meets("documents", "tuples-to-add")
    await expect(fields.get_by_label("User", exact=True)).to_have_value("user:eve")
    assert not bob.findings, "\n".join(bob.findings)


@CLEAN
async def test_settings(town: Town) -> None:
    ada = await town.signed_in()
    await ada.follow("Settings of Ada Lovelace")
    await ada.meets("Devices", "devices")
    await ada.follow("Notifications")
    await ada.meets("Notifications", "notifications-none")
    await ada.follow("Allowances")
    await ada.meets("Allowances", "allowances-none")
    # The one page whose script names another, the worker's.
    findings = [each for each in ada.findings if not each.endswith("/devices: trusted-types 'none'")]
    assert not findings, "\n".join(findings)


@CLEAN
async def test_second_factor(town: Town) -> None:
    bob = await town.signed_in("bob")
    clock = town.house.clock
    await bob.open("/security")
    await bob.meets("Security", "security-off")
    await bob.press("Set up an app")
    await bob.meets("Set up an authenticator app", "enrol")
    key = (await bob.page.locator(".paste").inner_text()).replace(" ", "")
    await bob.page.fill("[name=code]", totp.code_at(key, clock.at // 30))
    await bob.press("Confirm")
    await bob.meets("Security", "security")
    clock.forward(60)
    await bob.open("/logout")
    await bob.press("Sign out")
    await bob.follow("Sign in again")
    await bob.sign_in("bob")
    await bob.meets("Enter your code", "second-factor")
    await bob.page.fill("[name=code]", totp.code_at(key, clock.at // 30 - 90))
    await bob.press("Go on")
    await bob.meets("Enter your code", "second-factor-wrong")
    await bob.page.fill("[name=code]", totp.code_at(key, clock.at // 30))
    await bob.press("Go on")
    await bob.meets("Approvals", "inbox-empty")
    clock.forward(60)
    await bob.open("/security")
    await bob.page.locator("summary").click()
    await bob.meets("Security", "security-removing")
    await bob.page.fill("[name=code]", totp.code_at(key, clock.at // 30))
    await bob.press("Yes, remove it")
    await bob.meets("Security", "security-removed")
    assert not bob.findings, "\n".join(bob.findings)


@CLEAN
async def test_first_administrator(town: Town) -> None:
    ticket = await set_up.offer(town.house.store, town.house.clock)
    grace = await town.person()
    await grace.open(f"/setup?ticket={ticket}")
    await grace.meets("Who looks after this server?", "set-up")
    await grace.page.fill("[name=name]", "Grace Hopper")
    await grace.page.fill("[name=email]", "ada@example.com")
    await grace.page.fill("[name=password]", PASSWORD)
    await grace.press("Create the administrator")
    await grace.meets("Who looks after this server?", "set-up-wrong")
    await grace.page.fill("[name=email]", "grace@example.com")
    await grace.page.fill("[name=password]", PASSWORD)
    await grace.press("Create the administrator")
    await grace.meets("Sign in to Acme", "set-up-done")
    await grace.open(f"/setup?ticket={ticket}")
    await grace.meets("There is nothing here", "set-up-spent")
    assert not grace.findings, "\n".join(grace.findings)


@CLEAN
@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("/nothing/here", "There is nothing here"),
        ("/console", "This is not allowed"),
        ("/approvals/of-somebody-else", "There is nothing here"),
        ("/authorize?client_id=nobody", "This app is not known here"),
        ("/consent", "The app that sent you here made a mistake"),
        ("/connect?ticket=old", "There is nothing here"),
        ("/static", "There is nothing here"),
    ],
)
async def test_refusals_are_pages(town: Town, path: str, heading: str) -> None:
    ada = await town.signed_in()
    await ada.open(path)
    await ada.meets(heading, f"refused-{path.strip('/').split('/')[0].split('?')[0]}")
    assert not ada.findings, "\n".join(ada.findings)


async def test_signing_in_and_approving_take_only_a_keyboard(town: Town) -> None:
    await asked(town.house, authorization_details=json.dumps([{**ORDER, "quantity": 20}]))
    ada = await town.person()
    await ada.open("/approvals")
    await ada.tab_to(ada.page.locator("[name=identifier]"))
    await ada.page.keyboard.type("ada@example.com")
    await ada.page.keyboard.press("Tab")
    await ada.page.keyboard.type(PASSWORD)
    await ada.page.keyboard.press("Enter")
    await ada.tab_to(ada.page.get_by_role("link", name="buy 20 shares of ZEKO"))
    await ada.page.keyboard.press("Enter")
    await ada.tab_to(ada.button("Approve"))
    await ada.may_approve()
    await ada.page.keyboard.press("Enter")
    await expect(ada.page.locator("main")).to_contain_text("You approved this")


@proves("page.framing")
@pytest.mark.parametrize("path", ["/login", "/approvals", "/nothing"])
async def test_no_page_can_be_framed(town: Town, path: str) -> None:
    ada = await town.person()
    town.app.frames = town.house.issuer.rstrip("/")
    try:
        await ada.page.goto(town.app.url + path)
    finally:
        town.app.frames = ""
    _, framed = ada.page.frames
    assert "remit" not in await framed.content()
    assert framed.url == "chrome-error://chromewebdata/"


@CLEAN
async def test_crowds_and_endless_names(town: Town) -> None:
    """A hundred and twenty of everything, named with one endless word."""
    house, store = town.house, town.house.store
    (template,) = [each for each in clients("") if each.id == "stranger"]
    await asked(house)
    (approval,) = [each for each in await store.approvals.of_user("auth0|ada") if each.state == "pending"][:1]
    names = [f"c{number:03}" for number in range(120)]
    await store.commit(
        *(store.clients.put(msgspec.structs.replace(template, id=id_, name=f"{ENDLESS} {id_}", purpose=ENDLESS, owner=ENDLESS))
          for id_ in names),
        *(store.approvals.add(_like(approval, id_)) for id_ in names),
        events=tuple(
            Event(id=id_, at=house.clock.now(), kind="approval.asked", actor=Actor(user="auth0|ada", client=id_), subject=id_)
            for id_ in names
        ),
    )  # fmt: skip
    for name in ("ada", "bob"):
        user = await store.users.get(f"auth0|{name}")
        assert user
        await store.commit(store.users.put(msgspec.structs.replace(user, name=ENDLESS)))
    ada, bob = await town.signed_in(), await town.signed_in("bob")
    await ada.open("/approvals")
    await ada.meets("Approvals", "crowd-inbox")
    await ada.open("/approvals/c007")
    await ada.meets("wants to buy 10 shares of ZEKO", "crowd-approval")
    await ada.open("/activity")
    await ada.meets("Activity", "crowd-activity")
    await ada.follow("Older events")
    await ada.page.wait_for_url("**before=**")
    await bob.open("/console")
    await bob.meets("Console", "crowd-console")
    assert not ada.findings + bob.findings, "\n".join(ada.findings + bob.findings)


def _like(approval: Approval, id_: str) -> Approval:
    return msgspec.structs.replace(approval, id=id_, client_id=id_, handle=id_, same=None)
