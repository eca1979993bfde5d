"""Applying: twice changes nothing, what goes is what came, and nothing of others is touched."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.fixtures.relations import put_store, stored, tuple_, write
from tests.ledger import proves
from tests.management.test_manifest import ACME, ENVIRON

from remit_server.catalog import load
from remit_server.errors import ConfigurationError, TemporarilyUnavailable
from remit_server.management.manifest import apply
from remit_server.management.manifest.apply import Applier
from remit_server.management.manifest.read import read
from remit_server.oversight import agents
from remit_server.records import Client, ConnectedAccount, Provider, User
from remit_server.runtime.clock import SystemClock
from remit_server.runtime.ids import id_after
from remit_server.runtime.passwords import Passwords
from remit_server.runtime.secrets import Peppers
from remit_server.storage.barrier import Master
from remit_server.storage.open import open_store
from remit_server.storage.store import Store


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    store = await open_store(database_url, Master(b"k" * 32), 1)
    yield store
    await store.close()


@pytest.fixture
async def applier(store: Store) -> AsyncIterator[Applier]:
    passwords = Passwords()
    yield Applier(store, SystemClock(), passwords, await Peppers.load(store))
    passwords.close()


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    shutil.copytree(ACME, tmp_path / "acme")
    return tmp_path / "acme" / "remit.yaml"


def edited(path: Path, *changes: tuple[str, str]) -> Path:
    text = path.read_text()
    for was, now in changes:
        assert was in text
        text = text.replace(was, now, 1)
    path.write_text(text)
    return path


@proves("manifest.twice-is-once")
async def test_the_example_applies_and_again_changes_nothing(applier: Applier, store: Store, acme: Path) -> None:
    plan = await applier.apply(read(acme, ENVIRON))
    assert {change.act for change in plan.changes} == {"create", "change"}
    before = (await store.trail.verify()).count
    again = await applier.apply(read(acme, ENVIRON))
    assert not again
    assert str(again) == "  nothing to change"
    assert (await store.trail.verify()).count == before
    assistant = await store.clients.get("trading-assistant")
    assert assistant is not None
    assert assistant.auth_methods == ("client_secret_post",)
    assert assistant.apis == {"https://broker.example": ("trade:write", "portfolio:read")}
    documents = await store.relations.store_named("documents")
    assert documents is not None
    assert [one.subject for one in await stored(store, documents.id)] == ["user:auth0|ada"]
    assert [policy.name for policy in await store.policies.all()] == ["policies/trading.cedar"]
    organisation = await store.organisation.get("organisation")
    assert organisation is not None
    assert organisation.channels["email"] == {"smtp": "smtp://127.0.0.1:1025", "from": "remit@example.com"}


async def test_a_plan_shows_what_changes_but_no_secret(applier: Applier, acme: Path) -> None:
    await applier.apply(read(acme, ENVIRON))
    edited(acme, ("name: Trading assistant", "name: Trader"))
    secret = "another secret that is long"
    plan = str(await applier.plan(read(acme, {**ENVIRON, "ASSISTANT_SECRET": secret, "ADA_PASSWORD": secret})))
    assert '~ change client trading-assistant\n      name: "Trading assistant" -> "Trader"\n      secrets' in plan
    assert "~ change user ada@example.com\n      password" in plan
    assert secret not in plan
    assert "argon2" not in plan


@proves("manifest.leaves-others-alone")
async def test_only_what_a_manifest_brought_is_removed(applier: Applier, store: Store, acme: Path) -> None:
    dynamic = Client(id="dyn_1", name="By itself", dynamic=True)
    by_hand = Client(id="by-hand", name="By hand")
    visitor = User(id="remit|1", email="visitor@example.com")
    await store.commit(store.clients.add(dynamic), store.clients.add(by_hand), store.users.add(visitor))
    await applier.apply(read(acme, ENVIRON))
    (acme.parent / "less.yaml").write_text("version: 1\norganisation: {name: Acme}\n")
    plan = await applier.apply(read(acme.parent / "less.yaml", ENVIRON))
    removed = {(change.kind, change.key) for change in plan.changes if change.act == "remove"}
    assert ("client", "trading-assistant") in removed
    assert ("user", "bob@example.com") in removed
    assert ("relation store", "documents") in removed
    assert {client.id for client in await store.clients.all()} == {"dyn_1", "by-hand"}
    assert [user.id for user in await store.users.all()] == ["remit|1"]
    assert not await applier.apply(read(acme.parent / "less.yaml", ENVIRON))


async def test_tuples_that_applications_wrote_stay(applier: Applier, store: Store, acme: Path) -> None:
    await applier.apply(read(acme, ENVIRON))
    documents = await store.relations.store_named("documents")
    assert documents is not None
    own = "document:own viewer user:auth0|bob"
    await write(store, documents.id, [own])
    (acme.parent / "documents.yaml").write_text("[]")
    await applier.apply(read(acme, ENVIRON))
    assert await stored(store, documents.id) == [tuple_(own)]


CONDITIONAL = """model
  schema 1.1
type user
type document
  relations
    define viewer: [user, user with office]
condition office(open: bool) {
  open
}
"""


async def test_a_model_is_put_anew_when_it_has_changed(applier: Applier, store: Store, acme: Path) -> None:
    async def models() -> list[str]:
        found = await store.relations.store_named("documents")
        assert found is not None
        page = await store.relation_models.page(found.id)
        assert found.model_id == page[0].id
        return [one.id for one in page]

    await applier.apply(read(acme, ENVIRON))
    (first,) = await models()
    edited(acme, ("name: Trading assistant", "name: Trader"))
    await applier.apply(read(acme, ENVIRON))
    assert await models() == [first]
    (acme.parent / "documents.fga").write_text(CONDITIONAL)
    plan = await applier.apply(read(acme, ENVIRON))
    assert [(change.act, change.kind) for change in plan.changes] == [("change", "relation store")]
    assert (await models())[1:] == [first]
    assert not await applier.apply(read(acme, ENVIRON))


async def test_a_tuple_gets_the_condition_that_the_manifest_gives_it(
    applier: Applier, store: Store, acme: Path
) -> None:
    (acme.parent / "documents.fga").write_text(CONDITIONAL)
    await applier.apply(read(acme, ENVIRON))
    found = await store.relations.store_named("documents")
    assert found is not None
    condition = "condition: {name: office, context: {open: true}}"
    edited(acme.parent / "documents.yaml", ('"document:plan"}', f'"document:plan", {condition}}}'))
    plan = await applier.apply(read(acme, ENVIRON))
    assert [str(one) for one in plan.tuples] == ["~ change tuples of documents: 1 more, 1 fewer"]
    assert await stored(store, found.id) == [tuple_('document:plan viewer user:auth0|ada office {"open": true}')]
    after = await store.relations.store(found.id)
    assert after is not None
    assert after.revision == found.revision + 1, "nobody finds it gone in between"
    assert not await applier.apply(read(acme, ENVIRON))


async def test_many_tuples_are_written_some_at_a_time(applier: Applier, store: Store, acme: Path) -> None:
    lines = [
        f'- {{user: "user:{n}", relation: viewer, object: "document:plan"}}'
        for n in range(2 * apply.TUPLES_AT_ONCE + 1)
    ]
    (acme.parent / "documents.yaml").write_text("\n".join(lines))
    await applier.apply(read(acme, ENVIRON))
    found = await store.relations.store_named("documents")
    assert found is not None
    assert found.revision == 3
    assert len(await stored(store, found.id)) == len(lines)
    (acme.parent / "documents.yaml").write_text("[]")
    await applier.apply(read(acme, ENVIRON))
    assert await stored(store, found.id) == []


async def test_what_is_to_go_goes_though_applying_is_stopped_in_the_middle(
    applier: Applier, store: Store, acme: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await applier.apply(read(acme, ENVIRON))
    found = await store.relations.store_named("documents")
    assert found is not None

    async def busy(*_: object) -> None:
        raise TemporarilyUnavailable

    (acme.parent / "documents.yaml").write_text("[]")
    with monkeypatch.context() as patch:
        patch.setattr(store.relations, "write", busy)
        with pytest.raises(TemporarilyUnavailable):
            await applier.apply(read(acme, ENVIRON))
    assert await stored(store, found.id)
    assert await applier.apply(read(acme, ENVIRON))
    assert await stored(store, found.id) == []
    assert not await applier.apply(read(acme, ENVIRON))


async def test_another_store_of_the_name_keeps_its_tuples(applier: Applier, store: Store, acme: Path) -> None:
    await applier.apply(read(acme, ENVIRON))
    first = await store.relations.store_named("documents")
    assert first is not None
    (same, *_) = await stored(store, first.id)
    model = {"schema_version": "1.1", "type_definitions": [{"type": "user"}]}
    other = id_after(first.id)
    await put_store(store, other, model, " ".join(same.key), name="documents")
    (acme.parent / "less.yaml").write_text("version: 1\norganisation: {name: Acme}\n")
    await applier.apply(read(acme.parent / "less.yaml", ENVIRON))
    assert await store.relations.store(first.id) is None
    assert await stored(store, other) == [same]


async def test_where_somebody_else_put_a_model_meanwhile_nothing_is_done(
    applier: Applier, store: Store, acme: Path
) -> None:
    await applier.apply(read(acme, ENVIRON))
    found = await store.relations.store_named("documents")
    assert found is not None
    (acme.parent / "documents.fga").write_text(CONDITIONAL)
    plan = await applier.plan(read(edited(acme, ("name: Trading assistant", "name: Trader")), ENVIRON))
    model = {"schema_version": "1.1", "type_definitions": [{"type": "user"}]}
    await put_store(store, found.id, model)
    async with applier._turn() as holder:
        with pytest.raises(TemporarilyUnavailable, match="once more"):
            await applier._carry_out(plan, holder)
    assistant = await store.clients.get("trading-assistant")
    assert assistant is not None
    assert assistant.name == "Trading assistant"


async def test_a_tuple_with_two_conditions_is_refused(acme: Path) -> None:
    (acme.parent / "documents.fga").write_text(CONDITIONAL)
    edited(
        acme.parent / "documents.yaml",
        (
            "- {user:",
            '- {user: "user:auth0|ada", relation: viewer, object: "document:plan", condition: {name: office}}\n- {user:',
        ),
    )
    with pytest.raises(ConfigurationError, match="twice"):
        read(acme, ENVIRON)


async def test_applying_does_not_resume_a_suspended_agent(applier: Applier, store: Store, acme: Path) -> None:
    manifest = read(acme, ENVIRON)
    await applier.apply(manifest)
    plan = await applier.plan(read(edited(acme, ("name: Trading assistant", "name: Trader")), ENVIRON))
    # The stop button is pressed between the plan and its carrying out.
    await agents.suspend(store, SystemClock(), "trading-assistant")
    async with applier._turn() as holder:
        await applier._carry_out(plan, holder)
    assistant = await store.clients.get("trading-assistant")
    assert assistant is not None
    assert (assistant.name, assistant.state) == ("Trader", "suspended")


async def test_nodes_that_start_together_apply_once(applier: Applier, store: Store, acme: Path) -> None:
    manifest = read(acme, ENVIRON)
    plans = await asyncio.gather(*(applier.apply(manifest) for _ in range(4)))
    assert sum(bool(plan) for plan in plans) == 1
    applied = [event for _, event in await store.trail.latest(limit=500) if event.kind == "configuration.applied"]
    assert len(applied) == 1


async def test_a_turn_outlasts_its_lease(
    applier: Applier, store: Store, acme: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The passwords of many people take longer to hash than the lease lasts."""
    monkeypatch.setattr(apply, "LEASE_SECONDS", 2)
    async with applier._turn():
        await asyncio.sleep(3)
        assert not await store.leases.take("apply", "another node", SystemClock().now(), 1)


async def test_who_lost_the_turn_writes_nothing(applier: Applier, store: Store, acme: Path) -> None:
    plan = await applier.plan(read(acme, ENVIRON))
    async with applier._turn() as holder:
        await store.leases.leave("apply", holder)
        assert await store.leases.take("apply", "another node", SystemClock().now(), 60)
        with pytest.raises(TemporarilyUnavailable, match="took over"):
            await applier._carry_out(plan, holder)
    assert await store.clients.get("trading-assistant") is None


async def test_a_manifest_takes_no_id_of_a_client_that_registered_itself(
    applier: Applier, store: Store, acme: Path
) -> None:
    await store.commit(store.clients.add(Client(id="trading-assistant", name="Impostor", dynamic=True)))
    with pytest.raises(ConfigurationError, match="registered itself"):
        await applier.apply(read(acme, ENVIRON))


async def test_an_address_that_somebody_has_under_another_id_is_refused(
    applier: Applier, store: Store, acme: Path
) -> None:
    await store.commit(store.users.add(User(id="remit|1", email="Ada@example.com")))
    with pytest.raises(ConfigurationError, match=r"as remit\|1"):
        await applier.apply(read(acme, ENVIRON))


async def test_a_blocked_person_stays_blocked(applier: Applier, store: Store, acme: Path) -> None:
    await applier.apply(read(acme, ENVIRON))
    bob = await store.users.get("auth0|bob")
    assert bob is not None
    await store.commit(store.users.put(replace(bob, state="blocked")))
    await applier.apply(read(edited(acme, ("name: Bob", "name: Robert")), ENVIRON))
    bob = await store.users.get("auth0|bob")
    assert bob is not None
    assert (bob.name, bob.state) == ("Robert", "blocked")


@proves("vault.catalog-at-apply")
async def test_a_newer_catalog_changes_nothing_until_the_next_apply(
    applier: Applier, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Provider(
        name="shop", title="Shop", sources=("https://shop.example/docs",),
        authorization_endpoint="https://shop.example/authorize", token_endpoint="https://shop.example/token",
    )  # fmt: skip
    monkeypatch.setattr(load, "providers", lambda: {"shop": shop})
    path = tmp_path / "remit.yaml"
    path.write_text(
        "version: 1\nconnections: [{name: mine, provider: shop, scopes: [read], client: {id: remit, secret: hush-hush}}]\n"
    )
    assert "+ create connection mine" in str(await applier.apply(read(path)))

    newer = replace(shop, token_endpoint="https://shop.example/v2/token")
    monkeypatch.setattr(load, "providers", lambda: {"shop": newer})
    kept = await store.connections.get("mine")
    assert kept is not None
    assert kept.token_endpoint == "https://shop.example/token"
    said = str(await applier.plan(read(path)))
    assert 'token_endpoint: "https://shop.example/token" -> "https://shop.example/v2/token"' in said
    assert "hush" not in said
    assert "scopes" not in said


@proves("manifest.says-who-is-left")
async def test_the_plan_says_how_many_accounts_a_connection_leaves_behind(
    applier: Applier, store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "remit.yaml"

    def written(connections: str) -> Path:
        path.write_text(f"version: 1\nconnections: [{connections}]\n")
        return path

    calendar = (
        "{name: calendar, provider: oauth2, scopes: [read], client: {id: remit, secret: hush-hush},"
        " authorization_endpoint: https://a.example/authorize, token_endpoint: https://a.example/token}"
    )
    await applier.apply(read(written(calendar)))
    assert "behind" not in str(await applier.plan(read(written("")))), "nobody has connected anything"
    for n in ("1", "2"):
        await store.commit(
            store.connected_accounts.add(ConnectedAccount(id=n, user_id=f"user {n}", connection="calendar"))
        )
    removed = str(await applier.plan(read(written(""))))
    assert "- remove connection calendar\n      leaves 2 connected accounts behind: nobody can use" in removed
    moved = str(await applier.plan(read(written(calendar.replace("a.example/token", "b.example/token")))))
    assert "\n      leaves 2 connected accounts behind: their people must connect them again" in moved
    wider = str(await applier.plan(read(written(calendar.replace("[read]", "[read, write]")))))
    assert "~ change connection calendar" in wider
    assert "behind" not in wider
