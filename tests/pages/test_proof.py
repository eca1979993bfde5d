"""Approving what is of high risk, in a real Chromium with an authenticator in software, under the real policy; and without."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect
from tests.fixtures.asking import asked
from tests.fixtures.town import Person, Town, chromium_running, town_at
from tests.ledger import proves
from tests.pages.test_passkeys import with_passkey

from remit_server.records import Approval, SecondFactor
from remit_server.records.evidence import Signed
from remit_server.rules import proof, totp

pytestmark = pytest.mark.browser

KEY = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
BUTTON = "Approve with passkey"
CLEAN = proves("page.csp", "page.axe", "approvals.proof")


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with chromium_running() as running:
        yield running


@pytest.fixture(scope="module")
async def one_town(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    place = tmp_path_factory.mktemp("town")
    async with town_at(place, chromium, host="localhost", risky=True, high_risk_proof="passkey_or_code") as town:
        yield town


@pytest.fixture
async def town(one_town: Town) -> AsyncIterator[Town]:
    yield one_town
    store = one_town.house.store
    await store.commit(*map(store.passkeys.forget, ("auth0|ada", "auth0|bob")))
    if await store.second_factors.get("auth0|ada"):
        await store.commit(store.second_factors.forget("auth0|ada"))
    one_town.house.clock.forward(1200)
    while one_town.people:
        await one_town.people.pop().close()


async def card(town: Town, person: Person) -> Approval:
    """Asked for an order, and looking at it."""
    await asked(town.house)
    found = await town.house.store.approvals.of_user("auth0|ada")
    await person.open(f"/approvals/{found[0].id}")
    return found[0]


async def may_press(person: Person, button: str = BUTTON) -> None:
    await person.page.wait_for_load_state("load")
    await expect(person.button(button)).to_be_enabled()
    await person.page.wait_for_timeout(800)  # until the button is armed


async def now(town: Town, approval: Approval) -> Approval:
    kept = await town.house.store.approvals.get(approval.id)
    assert kept
    return kept


@CLEAN
async def test_a_passkey_approves(town: Town) -> None:
    ada, _ = await with_passkey(town)
    approval = await card(town, ada)
    await ada.meets("buy 10 shares of ZEKO", "approval-passkey")
    await may_press(ada)
    await ada.press(BUTTON)
    await expect(ada.page.locator("main")).to_contain_text("You approved this")
    kept = await now(town, approval)
    assert isinstance(kept.evidence, Signed)
    assert proof.faults(kept.evidence) == []
    assert kept.evidence.digest == kept.digest
    assert kept.evidence.origin == town.house.issuer.rstrip("/")
    assert not ada.findings, "\n".join(ada.findings)


@CLEAN
async def test_it_signs_what_was_edited_in_the_form(town: Town) -> None:
    ada, _ = await with_passkey(town)
    approval = await card(town, ada)
    await ada.page.get_by_text("Approve less", exact=True).click()
    await ada.page.fill("[name='e0.quantity']", "7")
    await may_press(ada)
    await ada.press(BUTTON)
    await expect(ada.page.locator("main")).to_contain_text("You approved this")
    kept = await now(town, approval)
    assert kept.approved[0]["quantity"] == 7
    assert isinstance(kept.evidence, Signed)
    assert kept.evidence.digest == kept.approved_digest != kept.digest
    assert not ada.findings, "\n".join(ada.findings)


@CLEAN
async def test_without_its_person_nothing_is_sent(town: Town) -> None:
    ada, device = await with_passkey(town)
    approval = await card(town, ada)
    await device.knows_its_person(verified=False)
    await may_press(ada)
    await ada.press(BUTTON)
    await expect(ada.page.get_by_role("alert").filter(visible=True)).to_contain_text("No passkey was used.")
    assert (await now(town, approval)).state == "pending"
    await device.knows_its_person(verified=True)
    await ada.press(BUTTON)
    await expect(ada.page.locator("main")).to_contain_text("You approved this")
    assert not ada.findings, "\n".join(ada.findings)


async def test_a_page_that_is_out_of_date_says_so_before_anything_is_signed(town: Town) -> None:
    ada, _ = await with_passkey(town)
    approval = await card(town, ada)
    await may_press(ada)
    town.house.clock.forward(400)
    await ada.press(BUTTON)
    await expect(ada.page.locator("main")).to_contain_text("expired")
    assert (await now(town, approval)).evidence is None
    assert not await town.house.events("passkey.refused")


@CLEAN
async def test_who_has_none_is_shown_the_way(town: Town) -> None:
    ada = await town.signed_in()
    await card(town, ada)
    await ada.meets("buy 10 shares of ZEKO", "approval-no-passkey")
    await expect(ada.button("Approve")).to_have_count(0)
    await expect(ada.page.locator("summary").filter(has_text="Deny").first).to_be_visible()
    await expect(ada.page.locator("a[href='/security/passkeys']")).to_be_visible()
    assert not ada.findings, "\n".join(ada.findings)


@proves("page.without-javascript", "approvals.proof-code")
@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "plain"])
async def test_a_code_of_an_app(town: Town, javascript: bool) -> None:
    context = await town.chromium.new_context(java_script_enabled=javascript, viewport={"width": 390, "height": 844})
    ada = Person(town, await context.new_page())
    town.people.append(context)
    await ada.open("/login")
    await ada.sign_in()
    clock, store = town.house.clock, town.house.store
    factor = SecondFactor(user_id="auth0|ada", secret=KEY, confirmed_at=clock.at - 900, last_step=0)
    await store.commit(store.second_factors.add(factor))
    approval = await card(town, ada)
    await ada.page.fill("[name=code]", "000000")
    await may_press(ada, "Approve")
    await ada.press("Approve")
    await expect(ada.page.get_by_role("alert").filter(visible=True)).to_contain_text("That code is not right.")
    await ada.page.fill("[name=code]", totp.code_at(KEY, clock.at // totp.PERIOD))
    await may_press(ada, "Approve")
    await ada.press("Approve")
    await expect(ada.page.locator("main")).to_contain_text("You approved this")
    assert (await now(town, approval)).evidence is not None
    assert not ada.findings, "\n".join(ada.findings)


@proves("page.without-javascript")
async def test_without_javascript_a_passkey_cannot_be_used_and_the_page_says_so(town: Town) -> None:
    await with_passkey(town)
    passkeys = await town.house.store.passkeys.of_user("auth0|ada")
    await town.house.store.commit(town.house.store.passkeys.forget("auth0|ada"))
    context = await town.chromium.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    ada = Person(town, await context.new_page())
    town.people.append(context)
    await ada.open("/login")
    await ada.sign_in()
    await town.house.store.commit(town.house.store.passkeys.add(passkeys[0]))
    approval = await card(town, ada)
    await expect(ada.page.locator("noscript p")).to_be_visible()
    await ada.press(BUTTON)
    await expect(ada.page.get_by_role("alert").filter(visible=True)).to_contain_text(
        "Approving this takes your passkey."
    )
    assert (await now(town, approval)).state == "pending"
    assert not ada.findings, "\n".join(ada.findings)
