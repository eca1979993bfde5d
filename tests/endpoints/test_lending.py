"""Whose word an exchange needs: limited accounts, the organisation's accounts, and a person who is away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from tests.endpoints.test_device import allow, poll, start
from tests.fixtures.vault import Vault
from tests.ledger import proves

from remit_server.errors import NotFound
from remit_server.oversight.agents import suspend
from remit_server.records import ConnectedAccount
from remit_server.records.connection import ORGANISATION
from remit_server.storage.contract import Params, Unit
from remit_server.storage.sql.statements import Select
from remit_server.vault import upstream
from remit_server.vault.lend import lend, take_back

NOT_FOUND = "federated_connection_refresh_token_not_found"


async def lent(
    vault: Vault, account: ConnectedAccount | None = None, *, away: bool = False, client: str = "agent"
) -> None:
    user = await vault.house.store.users.get("auth0|ada")
    assert user is not None
    await lend(vault.house.machines, user, account or await vault.account(), client, away=away)


async def taken_back(vault: Vault, client: str = "agent") -> None:
    user = await vault.house.store.users.get("auth0|ada")
    assert user is not None
    await take_back(vault.house.machines, user, await vault.account(), client)


async def connected(vault: Vault) -> None:
    """An account that was lent to nobody: the word that connecting gives to the agent that asked is taken back."""
    await vault.connected()
    await taken_back(vault)


async def leaves(vault: Vault, user: str = "ada") -> None:
    """The person signs out everywhere."""
    store, now = vault.house.store, vault.house.clock.now()
    await store.commit(store.sessions.end_all(f"auth0|{user}", now))


async def refused(vault: Vault, reason: str, **params: Any) -> dict[str, Any]:
    answer = await vault.exchange(**params)
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["error"], body["reason"]) == (401, NOT_FOUND, reason), body
    return body


@proves("vault.while-away")
async def test_an_agent_uses_an_account_while_its_person_is_away_only_on_their_word(any_vault: Vault) -> None:
    vault = any_vault
    await connected(vault)
    assert (await vault.exchange()).status_code == 200
    await leaves(vault)

    body = await refused(vault, "away")
    assert body["connect_uri"] == vault.house.issuer + "accounts"
    assert "while they are away" in body["error_description"]
    await lent(vault)
    await refused(vault, "away")  # a lending that does not say so
    await vault.allow("web", calendar=("calendar.read",))
    await lent(vault, away=True, client="web")
    await refused(vault, "away")  # somebody else's

    await lent(vault, away=True)
    assert (await vault.exchange()).status_code == 200
    (event, *_) = await vault.house.events("vault.exchanged")
    assert event.about["away"] is True
    lending = await vault.house.store.lendings.get((await vault.account()).id, "auth0|ada", "agent")
    assert lending is not None
    assert lending.used_at == vault.house.clock.now()

    await taken_back(vault)
    await refused(vault, "away")
    kinds = [event.kind for event in await vault.house.events() if event.kind in {"vault.lent", "vault.lending_ended"}]
    assert kinds[:4] == ["vault.lending_ended", "vault.lent", "vault.lent", "vault.lent"]


@proves("vault.while-away")
async def test_a_session_that_ran_out_is_a_person_who_left(vault: Vault) -> None:
    await vault.connected()
    lasts = vault.house.machines.settings.session_lifetime
    vault.later(lasts - 1)
    assert (await vault.exchange()).status_code == 200
    vault.later(1)
    await refused(vault, "away")


async def test_who_signs_in_again_in_the_same_browser_did_not_leave(vault: Vault) -> None:
    await vault.connected()
    code = await vault.house.code_for("agent", "ada", scope="openid offline_access")
    token = (await vault.house.redeem(code)).json()["refresh_token"]
    await vault.house.authorize(code.browser, "agent", prompt="login", scope="openid")
    await vault.house.sign_in("ada", code.browser)
    sessions = await vault.house.store.sessions.of_user("auth0|ada")
    assert any(session.before for session in sessions), "the new session took over from the old one"
    assert (await vault.exchange(subject_token=token)).status_code == 200
    await leaves(vault)
    await refused(vault, "away", subject_token=token)


@proves("vault.while-away")
async def test_a_devices_code_counts_as_present_as_long_as_a_session_would_last(vault: Vault) -> None:
    await vault.connected()
    grants = ("authorization_code", "refresh_token", "device_code", "token_exchange")
    await vault.change("agent", grants=grants)
    body = (await start(vault.house, "agent")).json()
    await allow(vault.house, body["user_code"])
    vault.later(6)
    tokens = (await poll(vault.house, body["device_code"], "agent")).json()
    assert (await vault.exchange(subject_token=tokens["refresh_token"])).status_code == 200
    vault.later(vault.house.machines.settings.session_lifetime)
    await refused(vault, "away", subject_token=tokens["refresh_token"])


@proves("vault.limited")
async def test_a_limited_account_is_for_agents_that_were_named(any_vault: Vault) -> None:
    vault = any_vault
    await connected(vault)
    store, account = vault.house.store, await vault.account()
    await store.commit(store.connected_accounts.limit(account, limited=True))
    body = await refused(vault, "limited")
    assert body["connect_uri"] == vault.house.issuer + "accounts"
    await refused(vault, "limited", login_hint=account.id)
    await lent(vault)
    assert (await vault.exchange()).status_code == 200
    await leaves(vault)
    await refused(vault, "away")
    await taken_back(vault)
    await refused(vault, "limited")


async def test_nobody_lends_what_is_somebody_elses(vault: Vault) -> None:
    await vault.connected("bob")
    bobs = await vault.account("bob")
    with pytest.raises(NotFound):
        await lent(vault, bobs)
    assert await vault.house.store.lendings.get(bobs.id, "auth0|ada", "agent") is None


async def test_what_is_taken_back_in_this_moment_is_not_lent(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the read and the answer the person changes their mind: the answer does not leave."""
    await vault.connected()
    store, account = vault.house.store, await vault.account()
    await store.commit(store.connected_accounts.limit(account, limited=True))
    await lent(vault)
    read = store.lendings.asked

    async def then_taken_back(*params: Any) -> Any:
        found = await read(*params)
        await taken_back(vault)
        return found

    monkeypatch.setattr(store.lendings, "asked", then_taken_back)
    answer = await vault.exchange()
    assert (answer.status_code, answer.json()["error"]) == (401, NOT_FOUND)
    assert await vault.house.events("vault.exchanged") == []


@pytest.mark.parametrize("what", ["limited", "taken back", "signed out", "suspended", "not for it any more", "revoked"])
@proves("vault.limited")
async def test_what_changes_while_the_provider_is_asked_counts(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """A refresh takes seconds. A second exchange within a minute notes no use, so no write of its own would lose."""
    await vault.connected()
    store, now = vault.house.store, vault.house.clock.now
    vault.later(300)
    account, token = await vault.account(), await vault.refresh_token()
    await store.commit(store.connected_accounts.touch(account.id, now(), "agent"))
    given = await store.lendings.get(account.id, "auth0|ada", "agent")
    assert given is not None
    await store.commit(store.lendings.use(given, now()))
    if what == "limited":
        await taken_back(vault)
    ask = upstream.refresh

    async def meanwhile(*params: Any, **more: Any) -> Any:
        match what:
            case "limited":
                await store.commit(store.connected_accounts.limit(account, limited=True))
            case "taken back":
                await store.commit(store.connected_accounts.limit(account, limited=True))
                await taken_back(vault)
            case "signed out":
                await leaves(vault)
            case "suspended":
                await suspend(store, vault.house.clock, "agent")
            case "not for it any more":
                await vault.allow("agent")
            case "revoked":
                grants = await store.grants.of_user("auth0|ada")
                await store.commit(*(store.grants.revoke(grant.id, now(), "the person") for grant in grants))
        return await ask(*params, **more)

    monkeypatch.setattr(upstream, "refresh", meanwhile)
    answer = await vault.exchange(subject_token=token)
    assert answer.status_code in {400, 401}, answer.text
    assert "access_token" not in answer.json()
    assert await vault.house.events("vault.exchanged") == []
    assert len(await vault.house.events("vault.refreshed")) == 1, "what the provider gave is kept all the same"


async def shared_account(vault: Vault) -> ConnectedAccount:
    """An account of the organisation, made of what Bob connected."""
    await vault.connected("bob")
    store = vault.house.store
    (bobs,) = await store.connected_accounts.of_user("auth0|bob")
    shared = msgspec.structs.replace(bobs, id="01SHARED", user_id=ORGANISATION, version=0)
    await store.commit(store.connected_accounts.add(shared), store.connected_accounts.remove(bobs.id, bobs.user_id))
    return shared


async def ada_is_in(vault: Vault, *groups: str) -> None:
    store = vault.house.store
    user, calendar = await store.users.get("auth0|ada"), await store.connections.get("calendar")
    assert user is not None
    assert calendar is not None
    await store.commit(
        store.users.put(msgspec.structs.replace(user, groups=groups)),
        store.connections.put(msgspec.structs.replace(calendar, shared_with=("traders",))),
    )


@proves("vault.shared")
async def test_the_organisations_account_is_for_its_groups_and_ones_own_outranks_it(any_vault: Vault) -> None:
    vault = any_vault
    shared = await shared_account(vault)
    await refused(vault, "not_connected")
    await refused(vault, "not_connected", login_hint=shared.id)
    await ada_is_in(vault, "gardeners")
    await refused(vault, "not_connected", login_hint=shared.id)

    await ada_is_in(vault, "gardeners", "traders")
    body = (await vault.exchange()).json()
    assert vault.meridian.authority.bearer(body["access_token"], None).id == "mer_bob"
    (event, *_) = await vault.house.events("vault.exchanged")
    assert (event.actor.user, event.subject, event.about["shared"]) == ("auth0|ada", "01SHARED", True)

    user = await vault.house.store.users.get("auth0|ada")
    assert user is not None
    await leaves(vault)
    await refused(vault, "away")
    await lend(vault.house.machines, user, shared, "agent", away=True)
    assert (await vault.exchange()).status_code == 200

    token = await vault.refresh_token()
    await ada_is_in(vault)
    await vault.follow((await vault.exchange()).json()["connect_uri"])
    await ada_is_in(vault, "traders")
    await lent(vault, await vault.account(), away=True)
    own = (await vault.exchange(subject_token=token)).json()
    assert vault.meridian.authority.bearer(own["access_token"], None).id == "mer_ada"


@contextmanager
def reads_of(vault: Vault) -> Iterator[list[str]]:
    """The tables that are read, once for each statement."""
    engine = type(vault.house.store.engine)
    tables: list[str] = []

    def counted(read: Any) -> Any:
        async def counting(self: Any, select: Select, params: Params) -> Any:
            tables.append(select.table.name)
            return await read(self, select, params)

        return counting

    with pytest.MonkeyPatch.context() as patch:
        for name in ("one", "few", "many"):
            patch.setattr(engine, name, counted(getattr(engine, name)))
        yield tables


@proves("vault.one-read")
@pytest.mark.parametrize("away", [False, True], ids=["there", "away"])
async def test_a_hot_exchange_is_one_read_and_one_event(any_vault: Vault, away: bool) -> None:
    vault = any_vault
    await vault.connected()
    token = await vault.refresh_token()
    if away:
        await lent(vault, away=True)
        await leaves(vault)
    await vault.exchange(subject_token=token)  # what is few and kept in memory is there now
    commits: list[Unit] = []
    commit = vault.house.store.engine.commit

    async def counted(unit: Unit) -> Any:
        commits.append(unit)
        return await commit(unit)

    with reads_of(vault) as tables, pytest.MonkeyPatch.context() as patch:
        patch.setattr(vault.house.store.engine, "commit", counted)
        assert (await vault.exchange(subject_token=token)).status_code == 200
    assert tables == ["tokens"]
    assert [(len(unit.steps), [event.kind for event in unit.events]) for unit in commits] == [(0, ["vault.exchanged"])]
