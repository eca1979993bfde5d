"""Attack 1: the vault is a client of many providers, and one of them is evil. Its answers must not be taken for another's,
and another's code must never reach it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from tests.fixtures.browser import Browser
from tests.fixtures.house import Clock, built, sqlite
from tests.fixtures.vault import Meridian, Vault, meridian
from tests.ledger import proves

from remit_server.vault import upstream
from remit_server.vault.refresh import Refresher


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[tuple[Vault, Meridian]]:
    """A vault that knows an honest provider, whose issuer it knows too, and an evil one."""
    clock = Clock()
    with meridian(clock, "calendar") as honest, meridian(clock, "evil") as evil:
        calendar = honest.connection(issuer=honest.url)
        async with built(sqlite(tmp_path), calendar, evil.connection("evil", issuer=evil.url), clock=clock) as house:
            vault = Vault(house, honest)
            await vault.allow("agent", calendar=("calendar.read",), evil=("calendar.read",))
            yield vault, evil


async def underway(vault: Vault, connection: str) -> tuple[Browser, str, dict[str, str]]:
    """Ada on her way to a provider; where she is sent and with which parameters."""
    refused = await vault.exchange(connection=connection)
    browser = await vault.house.sign_in("ada")
    await browser.get(refused.json()["connect_uri"])
    href = await vault.leave(browser)
    return browser, href, {name: values[0] for name, values in parse_qs(urlsplit(href).query).items()}


def with_(url: str, **changes: str | None) -> str:
    """The same callback with other parameters; None takes one away."""
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()} | changes
    return parts._replace(query=urlencode({k: v for k, v in query.items() if v is not None})).geturl()


@proves("attack.mix-up")
async def test_each_provider_has_a_redirect_uri_of_its_own(two: tuple[Vault, Meridian]) -> None:
    vault, _ = two
    _, _, home = await underway(vault, "calendar")
    _, _, evil = await underway(vault, "evil")
    assert home["redirect_uri"] == vault.house.issuer + "connect/callback/calendar"
    assert evil["redirect_uri"] == vault.house.issuer + "connect/callback/evil"


@proves("attack.mix-up")
async def test_an_honest_code_does_not_reach_the_evil_provider(two: tuple[Vault, Meridian]) -> None:
    """Ada begins at the evil provider, which sends her on to the honest one with its own `state`: the code that comes back
    would be redeemed at the evil token endpoint."""
    vault, evil = two
    browser, _, towards_evil = await underway(vault, "evil")
    _, href, _ = await underway(vault, "calendar")
    callback = await vault.meridian.agree(with_(href, state=towards_evil["state"]))
    page = await browser.get(callback)
    assert page.status_code == 400
    assert (evil.calls(), vault.meridian.calls()) == (0, 0)
    assert not await vault.house.store.connected_accounts.of_user("auth0|ada")


async def test_an_answer_at_another_providers_address_is_refused(two: tuple[Vault, Meridian]) -> None:
    vault, evil = two
    browser, href, _ = await underway(vault, "calendar")
    callback = await vault.meridian.agree(href)
    page = await browser.get(callback.replace("/callback/calendar", "/callback/evil"))
    assert page.status_code == 400
    assert evil.calls() == 0


@pytest.mark.parametrize("said", ["evil", "slash", "nonsense"])
@proves("attack.mix-up")
async def test_an_answer_that_names_another_issuer_is_refused(two: tuple[Vault, Meridian], said: str) -> None:
    vault, evil = two
    browser, href, _ = await underway(vault, "calendar")
    callback = await vault.meridian.agree(href)
    iss = {"evil": evil.url, "slash": vault.meridian.url + "/", "nonsense": "x"}[said]
    page = await browser.get(with_(callback, iss=iss))
    assert page.status_code == 400
    assert vault.meridian.calls() == 0
    assert not await vault.house.store.connected_accounts.of_user("auth0|ada")


async def test_an_error_that_names_another_issuer_ends_nothing(two: tuple[Vault, Meridian]) -> None:
    vault, evil = two
    browser, href, asked = await underway(vault, "calendar")
    forged = f"{asked['redirect_uri']}?" + urlencode(
        {"error": "access_denied", "state": asked["state"], "iss": evil.url}
    )
    assert (await browser.get(forged)).status_code == 400
    await browser.get(await vault.meridian.agree(href))
    assert "is connected" in browser.page.text


@pytest.mark.parametrize("state", [None, "", "guessed"])
async def test_an_answer_without_our_state_is_refused(two: tuple[Vault, Meridian], state: str | None) -> None:
    vault, _ = two
    browser, href, _ = await underway(vault, "calendar")
    callback = await vault.meridian.agree(href)
    assert (await browser.get(with_(callback, state=state))).status_code in {400, 404}
    assert vault.meridian.calls() == 0


async def test_an_answer_works_once(two: tuple[Vault, Meridian]) -> None:
    vault, _ = two
    browser, href, _ = await underway(vault, "calendar")
    callback = await vault.meridian.agree(href)
    await browser.get(callback)
    assert "is connected" in browser.page.text
    assert (await browser.get(callback)).status_code == 404
    assert vault.meridian.calls() == 1, "a second redemption would make the provider revoke the first"


@proves("attack.mix-up")
async def test_a_name_that_is_pointed_elsewhere_takes_no_keys_along(two: tuple[Vault, Meridian]) -> None:
    """An operator gives the connection's name to another provider: what Ada connected before is not shown to that one, not by
    an exchange, not ahead of need and not by a disconnect, until she connects there herself, in place."""
    vault, evil = two
    await vault.connected()
    before, store = await vault.account(), vault.house.store
    assert (await vault.exchange()).status_code == 200
    elsewhere = evil.connection("calendar", issuer=evil.url)
    await store.commit(store.connections.put(elsewhere))
    vault.later(4000)
    refused = await vault.exchange()
    assert refused.json()["error"] == "federated_connection_refresh_token_flow_failed"
    assert refused.json()["reason"] == "reconnect"
    assert "set up anew" in refused.json()["error_description"]
    await Refresher(vault.house.machines).ahead()
    page = await (await vault.house.sign_in("ada")).get("/accounts")
    assert "set up anew" in page.text
    assert not await upstream.revoke(vault.house.machines, elsewhere, await vault.account())
    assert (evil.calls(), evil.calls("/revoke")) == (0, 0)
    after = await vault.account()
    assert (after.id, after.refresh_token) == (before.id, before.refresh_token)
