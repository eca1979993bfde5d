"""Disconnects that nobody waits for: of people who were removed, and of a server that died in the middle."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.fixtures.vault import Vault
from tests.ledger import proves

from remit_server.errors import IntegrityError
from remit_server.management.manifest.apply import Applier
from remit_server.management.manifest.read import read
from remit_server.records import Connection, Organisation
from remit_server.storage.contract import Busy, Lost
from remit_server.vault import disconnect
from remit_server.vault.disconnect import carry_on
from remit_server.vault.refresh import Refresher


@pytest.fixture
def without_ada(tmp_path: Path) -> Path:
    path = tmp_path / "remit.yaml"
    path.write_text("version: 1\norganisation: {name: Acme}\n")
    return path


async def removed(vault: Vault, manifest: Path) -> None:
    """Ada came with the configuration, and goes with it."""
    machines = vault.house.machines
    applier = Applier(machines.store, machines.clock, machines.passwords, machines.peppers)
    brought = Organisation(applied={"user": ("auth0|ada",)})
    await machines.store.commit(machines.store.organisation.put(brought))
    plan = await applier.apply(read(manifest))
    assert "remove user ada@example.com" in str(plan)


async def left(vault: Vault) -> list[str]:
    return [each.state for each in await vault.house.store.connected_accounts.of_user("auth0|ada")]


async def confirmed(vault: Vault) -> list[object]:
    return [event.about["upstream_confirmed"] for event in await vault.house.events("vault.disconnected")]


@proves("vault.leaves-with-its-person")
async def test_with_a_person_goes_what_their_providers_granted(any_vault: Vault, without_ada: Path) -> None:
    vault = any_vault
    await vault.connected()
    account = await vault.account()
    await removed(vault, without_ada)
    assert await left(vault) == ["disconnected"], "nobody borrows any more"
    assert await carry_on(vault.house.machines) == 1
    assert vault.meridian.calls("/revoke") == 1
    with pytest.raises(Exception, match="revoked"):
        vault.meridian.authority.bearer(account.access_token, None)
    assert await left(vault) == []
    assert await confirmed(vault) == [True]
    assert await carry_on(vault.house.machines) == 0


@proves("vault.leaves-with-its-person")
async def test_a_provider_that_is_down_stops_no_apply_and_is_told_again(vault: Vault, without_ada: Path) -> None:
    await vault.connected()
    vault.meridian.fail("refuse", times=2, path="/revoke", status=503)
    await removed(vault, without_ada)
    for _ in range(2):
        assert await carry_on(vault.house.machines) == 1
        assert await carry_on(vault.house.machines) == 0, "it is left alone for a while"
        assert await left(vault) == ["disconnected"]
        vault.later(10)
    assert await carry_on(vault.house.machines) == 1
    assert await left(vault) == []
    assert await confirmed(vault) == [True]


async def test_what_is_not_confirmed_in_a_day_goes_and_says_so(vault: Vault, without_ada: Path) -> None:
    """An old trouble of the account does not shorten the day."""
    await vault.connected()
    store, account = vault.house.store, await vault.account()
    long_ago = vault.house.clock.at - 10 * disconnect.ENOUGH
    await store.commit(store.connected_accounts.save(replace(account, failing_since=long_ago, failures=9)))
    vault.meridian.fail("refuse", times=9, path="/revoke", status=503)
    await removed(vault, without_ada)
    assert await carry_on(vault.house.machines) == 1
    assert await left(vault) == ["disconnected"]
    vault.later(disconnect.ENOUGH)
    assert await carry_on(vault.house.machines) == 1
    assert await left(vault) == []
    assert await confirmed(vault) == [False]


@pytest.mark.parametrize("how", ["no way", "no connection", "another provider"])
async def test_a_provider_that_cannot_be_told_is_not_waited_for(vault: Vault, without_ada: Path, how: str) -> None:
    await vault.connected()
    store = vault.house.store
    connection = await store.connections.get("calendar")
    assert isinstance(connection, Connection)
    await removed(vault, without_ada)
    match how:
        case "no way":
            await store.commit(store.connections.put(replace(connection, revoke="none")))
        case "no connection":
            await store.commit(store.connections.remove("calendar"))
        case _:
            moved = replace(connection, token_endpoint="https://other.example/token", client_id="other")
            await store.commit(store.connections.put(moved))
    assert await carry_on(vault.house.machines) == 1
    assert vault.meridian.calls("/revoke") == 0
    assert await left(vault) == []
    assert await confirmed(vault) == [False]


async def test_a_disconnect_whose_server_died_is_carried_on(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    await vault.connected()
    ada = await vault.house.store.users.get("auth0|ada")
    assert ada is not None

    async def dies(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(disconnect.upstream, "revoke", dies)
        with pytest.raises(KeyboardInterrupt):
            await disconnect.disconnect(vault.house.machines, ada, await vault.account())
    assert await carry_on(vault.house.machines) == 0, "the person may still be waiting"
    vault.later(disconnect.ALONE)
    assert await carry_on(vault.house.machines) == 1
    assert vault.meridian.calls("/revoke") == 1
    assert await left(vault) == []


async def test_what_its_person_has_connected_again_meanwhile_stays(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    await vault.connected()
    account = await vault.account()

    async def parting(*_: object) -> list[tuple[str, str]]:
        return [(account.id, account.user_id)]

    monkeypatch.setattr(vault.house.store.connected_accounts, "parting", parting)
    assert await carry_on(vault.house.machines) == 1
    assert await left(vault) == ["ok"]
    assert vault.meridian.calls("/revoke") == 0


async def test_one_that_does_not_open_is_left_alone_for_a_while(
    vault: Vault, without_ada: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await vault.connected()
    await removed(vault, without_ada)

    async def sealed(*_: object) -> None:
        raise IntegrityError("the body does not open")

    monkeypatch.setattr(vault.house.store.connected_accounts, "get", sealed)
    assert [await carry_on(vault.house.machines) for _ in range(2)] == [1, 0]
    vault.later(disconnect.UNREADABLE)
    assert await carry_on(vault.house.machines) == 1


async def test_a_renewal_that_is_under_way_does_not_bring_it_back(any_vault: Vault, without_ada: Path) -> None:
    vault = any_vault
    await vault.connected()
    store, account = vault.house.store, await vault.account()
    await store.commit(store.connected_accounts.lease(account, "holder", vault.house.clock.at, 60))
    await removed(vault, without_ada)
    for ends in (store.connected_accounts.settle(account, "holder"), store.connected_accounts.save(account)):
        with pytest.raises(Lost):
            await store.commit(ends)
    assert await left(vault) == ["disconnected"]


async def test_nobody_renews_it_ahead_nor_forgets_it_by_that(any_vault: Vault, without_ada: Path) -> None:
    vault = any_vault
    await vault.connected()
    await removed(vault, without_ada)
    assert await Refresher(vault.house.machines).ahead() == 0
    assert await carry_on(vault.house.machines) == 1


async def test_trouble_with_one_leaves_the_others_their_turn(
    vault: Vault, without_ada: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await vault.connected()
    await removed(vault, without_ada)

    async def busy(*_: object, **__: object) -> None:
        raise Busy("the database is locked")

    with monkeypatch.context() as patched:
        patched.setattr(vault.house.store, "commit", busy)
        assert await carry_on(vault.house.machines) == 1
    assert await left(vault) == ["disconnected"]
    assert await carry_on(vault.house.machines) == 1
    assert await left(vault) == []
