"""Passkeys in a real Chromium with an authenticator in software, under the real policy; and where there are none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, CDPSession, Page, expect
from tests.fixtures.house import PASSWORD
from tests.fixtures.town import Person, Town, chromium_running, town_at
from tests.ledger import proves

pytestmark = pytest.mark.browser

NOT_OFFERED = "PublicKeyCredential.isConditionalMediationAvailable = async () => false"
BUTTON, STOPPED = (
    "Sign in with a passkey",
    "No passkey was used. Press the button to try again, or sign in another way.",
)


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with chromium_running() as running:
        yield running


@pytest.fixture(scope="module")
async def one_town(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town_at(tmp_path_factory.mktemp("town"), chromium, host="localhost") as town:
        yield town


@pytest.fixture
async def town(one_town: Town) -> AsyncIterator[Town]:
    yield one_town
    store = one_town.house.store
    await store.commit(*map(store.passkeys.forget, ("auth0|ada", "auth0|bob")))
    one_town.house.clock.forward(1200)  # nobody waits for what another test has used up
    while one_town.people:
        await one_town.people.pop().close()


class Device:
    """The authenticator of a tab, as Chromium's developer tools offer it."""

    def __init__(self, session: CDPSession, id_: str) -> None:
        self._session, self._id = session, id_

    @classmethod
    async def of(cls, page: Page) -> Device:
        session = await page.context.new_cdp_session(page)
        await session.send("WebAuthn.enable")
        made = await session.send(
            "WebAuthn.addVirtualAuthenticator",
            {
                "options": {
                    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
                    "isUserVerified": True, "automaticPresenceSimulation": True,
                }
            },
        )  # fmt: skip
        return cls(session, made["authenticatorId"])

    async def _send(self, method: str, **params: Any) -> dict[str, Any]:
        answer: dict[str, Any] = await self._session.send(f"WebAuthn.{method}", {"authenticatorId": self._id, **params})
        return answer

    async def credentials(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self._send("getCredentials"))["credentials"]
        return found

    async def put(self, *credentials: dict[str, Any]) -> None:
        await self._send("clearCredentials")
        for each in credentials:
            await self._send("addCredential", credential=each)

    async def knows_its_person(self, *, verified: bool) -> None:
        await self._send("setUserVerified", isUserVerified=verified)


async def with_passkey(
    town: Town, name: str = "ada", called: str = "Ada's phone", *, offered: bool = False
) -> tuple[Person, Device]:
    """Somebody who is signed in by password, and adds a passkey. What is `offered` at the user name, this device takes at once."""
    person = await town.signed_in(name)
    if not offered:
        await person.page.context.add_init_script(NOT_OFFERED)
    device = await Device.of(person.page)
    await person.open("/security/passkeys")
    await person.meets("Add a passkey", "passkey-add")
    await person.page.fill("[name=name]", called)
    await person.press("Add a passkey")
    await person.meets("Security", "passkeys")
    return person, device


async def leaves(person: Person) -> None:
    await person.open("/logout")
    await person.press("Sign out")


CLEAN = proves("page.csp", "page.axe", "signin.passkey")


@CLEAN
async def test_the_whole_way(town: Town) -> None:
    ada, _ = await with_passkey(town)
    await expect(ada.page.get_by_role("status")).to_contain_text("The passkey Ada's phone is added.")
    await leaves(ada)
    await ada.open("/login")
    await ada.meets("Sign in to Acme", "sign-in-passkey")
    await ada.tab_to(ada.button(BUTTON))
    await ada.page.keyboard.press("Enter")
    await ada.meets("Approvals", "inbox-by-passkey")
    (session,) = await town.house.store.sessions.of_user("auth0|ada")
    assert session.acr == "urn:remit:acr:2fa"
    await ada.open("/security")
    await ada.page.get_by_text("Rename", exact=True).click()
    await ada.page.fill("[name=name]", "Old phone")
    await ada.press("Save")
    await expect(ada.page.get_by_role("heading", name="Old phone")).to_be_visible()
    await ada.page.get_by_text("Remove", exact=True).click()
    await ada.meets("Security", "passkey-removing")
    await ada.press("Yes, remove it")
    await expect(ada.page.get_by_role("status")).to_contain_text("The passkey Old phone is removed.")
    await leaves(ada)
    await ada.open("/login")
    await ada.press(BUTTON)
    await expect(ada.page.get_by_role("alert")).to_contain_text("That passkey opens no account here.")
    await ada.meets("Sign in to Acme", "sign-in-passkey-gone")
    assert not ada.findings, "\n".join(ada.findings)


@CLEAN
async def test_after_the_password(town: Town) -> None:
    ada, device = await with_passkey(town)
    await leaves(ada)
    await ada.open("/login")
    await ada.sign_in()
    await ada.meets("Use your passkey", "second-factor-passkey")
    await device.knows_its_person(verified=False)
    await ada.press("Use a passkey")
    await expect(ada.page.get_by_role("alert").filter(visible=True)).to_have_text(STOPPED)
    await device.knows_its_person(verified=True)
    await ada.press("Use a passkey")
    await ada.meets("Approvals", "inbox-by-passkey")
    assert not ada.findings, "\n".join(ada.findings)


async def test_the_browser_offers_it_at_the_user_name(town: Town) -> None:
    ada, _ = await with_passkey(town, offered=True)
    await leaves(ada)
    await ada.open("/login")  # the device answers what is offered as soon as it is
    await expect(ada.page.locator("h1")).to_contain_text("Approvals")
    assert not ada.findings, "\n".join(ada.findings)


async def test_a_device_holds_one_for_a_person(town: Town) -> None:
    ada, device = await with_passkey(town)
    await ada.open("/security/passkeys")
    await ada.page.fill("[name=name]", "Again")
    await ada.press("Add a passkey")
    await expect(ada.page.get_by_role("alert").filter(visible=True)).to_contain_text("holds a passkey of yours already")
    assert len(await device.credentials()) == 1
    await device.put()
    await device.knows_its_person(verified=False)
    await ada.press("Add a passkey")
    await expect(ada.page.get_by_role("alert").filter(visible=True)).to_contain_text("No passkey was added.")
    assert len(await town.house.store.passkeys.of_user("auth0|ada")) == 1
    assert not ada.findings, "\n".join(ada.findings)


async def test_somebody_elses_is_not_taken(town: Town) -> None:
    await with_passkey(town)
    bob, _ = await with_passkey(town, "bob", "Bob's phone")
    await leaves(bob)
    await bob.open("/login")
    await bob.sign_in("ada")
    await bob.press("Use a passkey")  # the browser has none of hers
    await expect(bob.page.get_by_role("alert").filter(visible=True)).to_have_text(STOPPED)
    await bob.open("/approvals")
    await expect(bob.page.locator("h1")).to_contain_text("Sign in to Acme")


@proves("attack.passkey-copied")
async def test_a_copy_that_is_behind_is_refused(town: Town) -> None:
    ada, device = await with_passkey(town)
    (copied,) = await device.credentials()
    for _ in range(2):
        await leaves(ada)
        await ada.open("/login")
        await ada.press(BUTTON)
        await expect(ada.page.locator("h1")).to_contain_text("Approvals")
    await leaves(ada)
    await ada.open("/login")
    await device.put(copied)
    await ada.press(BUTTON)
    await expect(ada.page.get_by_role("alert").filter(visible=True)).to_contain_text("opens no account here")
    (refused,) = [event for event in await town.house.events("passkey.refused") if event.about["why"] == "count"]
    assert refused.actor.user == "auth0|ada"


async def test_a_second_tab(town: Town) -> None:
    """Each tab has its own challenge; after one has signed in, the form of the other is out of date, and says so."""
    ada, device = await with_passkey(town)
    held = await device.credentials()
    await leaves(ada)
    await ada.open("/login")
    other = Person(town, await ada.page.context.new_page())
    theirs = await Device.of(other.page)
    await other.open("/login")
    await theirs.put(*held)
    await other.press(BUTTON)
    await expect(other.page.locator("h1")).to_contain_text("Approvals")
    await device.put(*await theirs.credentials())
    await ada.press(BUTTON)
    await expect(ada.page.locator("main")).to_contain_text("This form is out of date")
    await ada.open("/approvals")
    await expect(ada.page.locator("h1")).to_contain_text("Approvals")


async def test_a_browser_without_passkeys_says_so(town: Town) -> None:
    ada = await town.person()
    await ada.page.add_init_script("delete window.PublicKeyCredential")
    await ada.open("/login")
    await ada.meets("Sign in to Acme", "sign-in-no-passkeys")
    await expect(ada.page.locator("main")).to_contain_text("This browser cannot use passkeys.")
    await expect(ada.button(BUTTON)).to_be_hidden()
    assert not ada.findings, "\n".join(ada.findings)


@proves("page.without-javascript")
async def test_without_javascript_the_password_goes_on(town: Town) -> None:
    context = await town.chromium.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    ada = Person(town, await context.new_page())
    town.people.append(context)
    await ada.open("/login")
    await expect(ada.page.locator("noscript p")).to_be_visible()
    await expect(ada.button(BUTTON)).to_be_hidden()
    await ada.sign_in("ada", PASSWORD)
    await expect(ada.page.locator("h1")).to_contain_text("Approvals")
    await ada.open("/security/passkeys")
    await expect(ada.page.locator("noscript p")).to_be_visible()
    assert not ada.findings, "\n".join(ada.findings)
