"""Attack 12: get at somebody else's connected account, by a token, a parameter, a link, a row, or an id."""

from __future__ import annotations

import msgspec
import pytest
from tests.fixtures.vault import Vault
from tests.ledger import proves

from remit_server.errors import IntegrityError, NotConnected
from remit_server.storage.contract import Step
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Select, Update


@proves("vault.own-account")
async def test_the_person_comes_from_the_subject_token_and_from_nothing_else(any_vault: Vault) -> None:
    vault = any_vault
    await vault.connected("ada")
    account = await vault.account("ada")
    bobs = await vault.refresh_token("agent", "bob")
    for more in (
        {}, {"login_hint": "mer_ada"}, {"login_hint": account.id}, {"login_hint": "ada@meridian.example"},
        {"user_id": "auth0|ada"}, {"sub": "auth0|ada"}, {"subject": "auth0|ada"}, {"connection_id": account.id},
    ):  # fmt: skip
        answer = await vault.exchange(subject_token=bobs, **more)
        assert answer.status_code == 401, more
        assert answer.json()["error"] == "federated_connection_refresh_token_not_found"
        assert answer.json()["error_description"] == NotConnected.text


@proves("vault.own-account")
async def test_somebody_elses_account_is_as_none(vault: Vault) -> None:
    await vault.connected("ada")
    account = await vault.account("ada")
    theirs = await vault.me("DELETE", f"accounts/{account.id}", user="bob")
    none = await vault.me("DELETE", "accounts/01JNONE", user="bob")
    assert (theirs.status_code, theirs.json()) == (none.status_code, none.json())
    assert theirs.status_code == 404
    assert (await vault.me("GET", "accounts", user="bob")).json() == {"accounts": []}
    browser = await vault.house.sign_in("bob")
    page = await browser.get("/accounts")
    assert account.id not in page.text
    for verb in ("disconnect", "reconnect"):
        csrf = browser.form.value("csrf") or ""
        refused = await browser.post(f"/accounts/{account.id}/{verb}", {"csrf": csrf})
        unknown = await browser.post(f"/accounts/01JNONE/{verb}", {"csrf": csrf})
        assert (refused.status_code, refused.text) == (unknown.status_code, unknown.text)
        assert refused.status_code == 404
        await browser.get("/accounts")
    assert await vault.account("ada") == account


@proves("vault.link-person")
async def test_a_link_opens_for_its_person_only_and_tells_others_nothing(vault: Vault) -> None:
    """Ada's agent gets a link; Bob opens it, and would otherwise connect his account to her, or she hers to him."""
    link = (await vault.exchange(user="ada")).json()["connect_uri"]
    browser = await vault.house.sign_in("bob")
    theirs = await browser.get(link)
    nowhere = await browser.get("/connect?ticket=nowhere")
    assert (theirs.status_code, nowhere.status_code) == (404, 404)
    assert theirs.text == nowhere.text
    for told in ("Meridian", "Trading assistant", "Ada", "calendar"):
        assert told not in theirs.text
    await browser.get("/accounts")
    csrf = browser.form.value("csrf") or ""
    ticket = link.partition("ticket=")[2]
    for answer in ("continue", "cancel"):
        pressed = await browser.post("/accounts/connect/start", {"csrf": csrf, "ticket": ticket, "answer": answer})
        assert pressed.status_code == 404
    await vault.follow(link, "ada")
    assert (await vault.account("ada")).label == "ada@meridian.example"


@proves("vault.link-person")
async def test_who_left_must_be_who_comes_back(vault: Vault) -> None:
    """The attacker stops before the callback and hands its URL to a victim, or finishes a trip that the victim began."""
    link = (await vault.exchange(user="ada")).json()["connect_uri"]
    ada, bob = await vault.house.sign_in("ada"), await vault.house.sign_in("bob")
    await ada.get(link)
    callback = await vault.meridian.agree(await vault.leave(ada), "ada")
    assert (await bob.get(callback)).status_code == 404
    assert not await vault.house.store.connected_accounts.of_user("auth0|bob")
    assert not await vault.house.store.connected_accounts.of_user("auth0|ada")
    assert vault.meridian.calls() == 0, "the code was not even redeemed"
    await ada.get(callback)
    assert "is connected" in ada.page.text


@proves("sealing.place")
async def test_a_row_that_was_given_to_another_user_does_not_open(any_vault: Vault) -> None:
    vault = any_vault
    await vault.connected("ada")
    await vault.connected("bob")
    store, ada, bob = vault.house.store, await vault.account("ada"), await vault.account("bob")
    body = {row["id"]: row["body"] for row in await store.engine.many(Select(t.CONNECTED_ACCOUNTS), {})}
    swap = Update(t.CONNECTED_ACCOUNTS, set="body = :body", where="connected_accounts.id = :id")
    for here, there in ((ada, bob), (bob, ada)):
        await store.commit(Step(swap, {"id": here.id, "body": body[there.id]}))
    for user, account in (("ada", ada), ("bob", bob)):
        with pytest.raises(IntegrityError):
            await store.connected_accounts.get(account.id, account.user_id)
        answer = await vault.exchange(user=user)
        assert answer.status_code == 500
        assert "mda_" not in answer.text


async def test_a_blocked_person_lends_nothing(vault: Vault) -> None:
    await vault.connected("ada")
    token = await vault.refresh_token("agent", "ada")
    users = vault.house.store.users
    ada = await users.get("auth0|ada")
    assert ada is not None
    await vault.house.store.commit(users.put(msgspec.structs.replace(ada, state="blocked")))
    answer = await vault.exchange(subject_token=token)
    assert (answer.status_code, answer.json()["error"]) == (400, "access_denied")
