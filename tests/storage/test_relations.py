"""Relation tuples in storage: what is written, what is found, and that each write is a revision of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest
from tests.fixtures import relations as fixture
from tests.storage.conftest import NOW, Open
from tests.storage.samples import event

from remit_server.rules.relations.facts import FEW, Few, Held, Holders
from remit_server.storage.contract import Busy, Lost, Unit, Unstorable
from remit_server.storage.groups import relation_writes
from remit_server.storage.groups.relation_models import RelationModel
from remit_server.storage.groups.relation_writes import Clash, Done, StoreGone, Write
from remit_server.storage.groups.relations import RelationStore, RelationTuple
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Select
from remit_server.storage.store import Store
from remit_server.storage.sweep import empty_stores

S, OTHER = "01JSTORE0000000000000000S1", "01JSTORE0000000000000000S2"


def tuples(*texts: str) -> tuple[RelationTuple, ...]:
    return tuple(RelationTuple(*text.split()) for text in texts)


async def write(store: Store, writes: Iterable[str] = (), deletes: Iterable[str] = (), **more: Any) -> Done:
    found = await store.relations.store(S)
    asked = Write(NOW, lambda done: event("access.written", subject=S, about={"revision": done.revision}),
                  tuples(*writes), tuples(*deletes), **more)  # fmt: skip
    return await store.relations.write(S, found.revision if found else 0, asked)


async def revision(store: Store) -> int:
    found = await store.relations.store(S)
    assert found is not None
    return found.revision


async def keys(store: Store, pattern: str = ". . .", size: int = 2, store_id: str = S) -> list[str]:
    """All that fits, page by page."""
    asked = RelationTuple(*("" if part == "." else part for part in pattern.split()))
    found: list[str] = []
    after = None
    while page := await store.relations.read(store_id, asked, after, size):
        found += [" ".join(tuple_.key) for tuple_, _ in page]
        after = page[-1][0]
    return found


@pytest.fixture
async def shop(store: Store) -> Store:
    await store.commit(store.relations.add_store(RelationStore(id=S, name="shop", created_at=NOW, updated_at=NOW)))
    return store


async def test_a_write_is_a_revision(shop: Store) -> None:
    assert (await write(shop, ["doc:1 viewer user:ada", "doc:1 viewer group:g#member"])).revision == 1
    assert (await write(shop, ["doc:2 viewer user:ada"], ["doc:1 viewer user:ada"])).revision == 2
    assert await revision(shop) == 2
    assert [(c.revision, c.position, c.operation, " ".join(c.tuple.key)) for c in await shop.relations.changes(S)] == [
        (1, 0, "write", "doc:1 viewer user:ada"),
        (1, 1, "write", "doc:1 viewer group:g#member"),
        (2, 0, "delete", "doc:1 viewer user:ada"),
        (2, 1, "write", "doc:2 viewer user:ada"),
    ]
    assert [e.about["revision"] for _, e in await shop.trail.about(S)] == [1, 2]


async def test_facts(shop: Store) -> None:
    await write(shop, ["doc:1 viewer user:ada", "doc:1 viewer user:bo", "doc:1 viewer user:*", "doc:1 viewer group:g#member",
                       'doc:2 viewer user:ada office {"at":1}', "docs:1 viewer user:ada", "doc:1 editor user:ada"])  # fmt: skip
    all_, one, other = (
        Holders("doc:1", "viewer", "user"),
        Holders("doc:1", "viewer", "user", "user:bo"),
        Holders("x:1", "r", "user"),
    )
    wild, sets = Holders("doc:1", "viewer", "user:*"), Holders("doc:1", "viewer", "group#member")
    held = Held("user:ada", "viewer", "doc")
    found = await shop.relations.facts(S, [all_, one, other, wild, sets, held, Held("user:bo", "viewer", "docs")])
    assert found == {
        all_: [("user:ada", "", ""), ("user:bo", "", "")], one: [("user:bo", "", "")], other: [], wild: [("user:*", "", "")],
        sets: [("group:g#member", "", "")], held: [("doc:1", "", ""), ("doc:2", "office", '{"at":1}')],
        Held("user:bo", "viewer", "docs"): [],
    }  # fmt: skip
    assert await shop.relations.facts(OTHER, [all_]) == {all_: []}
    assert await shop.relations.facts(S, []) == {}
    odd = [Holders("doc:1\0", "viewer", "user"), Holders("doc:\ud800", "viewer", "user")]
    assert await shop.relations.facts(S, [*odd, one]) == {odd[0]: [], odd[1]: [], one: [("user:bo", "", "")]}


async def test_more_than_is_at_hand(shop: Store) -> None:
    await write(shop, [f"doc:{n:04} viewer user:ada" for n in range(1200)])
    held, one = Held("user:ada", "viewer", "doc"), Held("user:ada", "editor", "doc")
    found = await shop.relations.facts(S, [one, held])
    assert [len(found[one]), len(found[held])] == [0, 1200]


async def test_few_are_all_or_none(shop: Store) -> None:
    """Those with a condition count for nothing: they neither make many of few nor hide that there are more."""
    for n, condition in ((FEW, ""), (FEW + 1, "office")):
        await write(shop, [f"doc:{condition}{i:04} viewer user:ada {condition}" for i in range(n)])
    few = Few("user:ada", "viewer", "doc")
    found = (await shop.relations.facts(S, [few, Few("user:bo", "viewer", "doc")]))[few]
    assert found is not None
    assert len(found) == FEW
    await write(shop, ["doc:zzz viewer user:ada"])
    assert await shop.relations.facts(S, [few]) == {few: None}


async def test_what_clashes_changes_nothing(shop: Store) -> None:
    await write(shop, ["doc:1 viewer user:ada"])
    for writes, deletes, why in (
        (["doc:2 viewer user:ada", "doc:1 viewer user:ada"], [], "there"),
        ([], ["doc:1 viewer user:ada", "doc:2 viewer user:ada"], "missing"),
    ):
        with pytest.raises(Clash) as clash:
            await write(shop, writes, deletes)
        assert clash.value.why == why
    with pytest.raises(Clash) as clash:
        await write(shop, ["doc:1 viewer user:ada office"], on_duplicate="ignore")
    assert clash.value.why == "differs"
    assert await keys(shop) == ["doc:1 viewer user:ada"]
    assert await revision(shop) == 1
    assert len(await shop.trail.about(S)) == 1


async def test_what_is_ignored_is_no_change(shop: Store) -> None:
    await write(shop, ["doc:1 viewer user:ada"])
    ignoring = {"on_duplicate": "ignore", "on_missing": "ignore"}
    assert not await write(shop, ["doc:1 viewer user:ada"], ["doc:9 viewer user:ada"], **ignoring)
    assert await revision(shop) == 1
    await write(shop, ['doc:3 viewer user:ada office {"a":1,"b":2}'])
    assert not await write(shop, ['doc:3 viewer user:ada office {"b":2,"a":1}'], **ignoring)
    for written, other in (('{"a":1}', '{"a":true}'), ('{"a":[0]}', '{"a":[false]}')):
        key = f"doc:{written} viewer user:ada"
        await write(shop, [f"{key} office {written}"])
        assert not await write(shop, [f"{key} office {written.replace('1', '1.0').replace('0]', '0.0]')}"], **ignoring)
        with pytest.raises(Clash):  # to Python these are equal
            await write(shop, [f"{key} office {other}"], **ignoring)
    done = await write(shop, ["doc:1 viewer user:ada", "doc:2 viewer user:ada"], **ignoring)
    assert (done.revision, done.written) == (5, tuples("doc:2 viewer user:ada"))
    assert len(await shop.relations.changes(S)) == 5


async def test_what_is_deleted_and_written_again_is_new(shop: Store) -> None:
    one = ["doc:1 viewer user:ada"]
    await write(shop, one)
    asked = [
        Write(NOW + 60, lambda _: event("access.written", subject=S), deletes=tuples(*one)),
        Write(NOW + 60, lambda _: event("access.written", subject=S), tuples(*one)),
    ]
    outcomes = await asyncio.gather(*(shop.relations.write(S, 1, each) for each in asked))
    assert [done.revision for done in outcomes] == [2, 3]
    assert [at for _, at in await shop.relations.read(S, RelationTuple("", "", ""), None, 9)] == [NOW + 60]


async def test_a_tuple_gets_another_condition(shop: Store) -> None:
    await write(shop, ["doc:1 viewer user:ada"])
    await write(shop, ["doc:1 viewer user:ada office {}"], ["doc:1 viewer user:ada"])
    assert await shop.relations.present(S, tuples("doc:1 viewer user:ada", "doc:2 viewer user:ada")) == [
        RelationTuple("doc:1", "viewer", "user:ada", "office", "{}")
    ]


async def test_writes_at_once_are_judged_one_after_the_other(shop: Store) -> None:
    one = ["doc:1 viewer user:ada"]
    outcomes = await asyncio.gather(
        write(shop, one), write(shop, one), write(shop, [], one), write(shop, one, on_duplicate="ignore"),
        write(shop, ["doc:\ud800 viewer user:ada"]), return_exceptions=True,
    )  # fmt: skip
    assert [type(outcome) for outcome in outcomes] == [Done, Clash, Done, Done, Unstorable]
    assert await revision(shop) == 3
    assert [(c.revision, c.operation) for c in await shop.relations.changes(S)] == [
        (1, "write"),
        (2, "delete"),
        (3, "write"),
    ]
    assert await keys(shop) == one


async def test_a_tuple_too_long_for_an_index_fails_alone(shop: Store) -> None:
    """PostgreSQL's take up to 2,704 bytes, SQLite's anything."""
    long = "".join(chr(0x10000 + n * 37 % 60_000) for n in range(1000))
    outcomes = await asyncio.gather(
        write(shop, [f"doc:1 viewer user:{long}"]), write(shop, ["doc:1 viewer user:ada"]), return_exceptions=True
    )
    expected = Done if shop.engine.dialect == "sqlite" else Unstorable
    assert [type(outcome) for outcome in outcomes] == [expected, Done]


async def test_an_asker_that_goes_away_holds_nobody_up(shop: Store) -> None:
    first = asyncio.create_task(write(shop, ["doc:1 viewer user:ada"]))
    await asyncio.sleep(0)
    second = asyncio.create_task(write(shop, ["doc:2 viewer user:ada"]))
    await asyncio.sleep(0)
    first.cancel()
    assert await second


async def test_where_the_loop_is_torn_down_nobody_waits_for_ever(shop: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()

    async def hang(_: Unit) -> list[Any]:
        begun.set()
        return await asyncio.Future()

    with monkeypatch.context() as patch:
        patch.setattr(shop.engine, "commit", hang)
        asker = asyncio.create_task(write(shop, ["doc:1 viewer user:ada"]))
        await begun.wait()
        second = Write(NOW, lambda _: event("access.written"), tuples("doc:2 viewer user:ada"))
        behind = asyncio.create_task(shop.relations.write(S, 0, second))
        await asyncio.sleep(0)
        for task in shop.relations._writes._tasks:
            task.cancel()
        async with asyncio.timeout(5):
            outcomes = await asyncio.gather(asker, behind, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 2
    assert await write(shop, ["doc:1 viewer user:ada"])


async def test_where_others_are_always_first_it_is_said(shop: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = 0

    async def lost(_: Unit) -> list[Any]:
        nonlocal tries
        tries += 1
        raise Lost(0)

    monkeypatch.setattr(relation_writes, "PATIENCE", 3)
    with monkeypatch.context() as patch:
        patch.setattr(shop.engine, "commit", lost)
        with pytest.raises(Busy):
            await write(shop, ["doc:1 viewer user:ada"])
    assert tries == 3
    assert (await write(shop, ["doc:1 viewer user:ada"])).revision == 1


async def test_no_store_no_write(shop: Store) -> None:
    await shop.commit(shop.relations.remove_store(S, NOW))
    with pytest.raises(StoreGone):
        await write(shop, ["doc:1 viewer user:ada"])
    assert await keys(shop) == []


async def test_what_a_removed_store_held_is_swept(shop: Store) -> None:
    kept = RelationStore(id=OTHER, name="kept")
    model = RelationModel(id="M1", model={}, created_at=NOW)
    await shop.commit(shop.relations.add_store(kept), *shop.relation_models.put(OTHER, "", model, ["doc"]))
    await fixture.write(shop, OTHER, ["doc:1 viewer user:ada"])
    await shop.commit(*shop.relation_models.put(S, "", model, ["doc"]))
    await shop.commit(*shop.relation_models.put_assertions(S, "M1", []))
    await write(shop, [f"doc:{n} viewer user:ada" for n in range(700)])
    await shop.commit(shop.relations.remove_store(S, NOW), shop.relation_models.undefine(S))
    assert await shop.relations.removed() == [S]
    assert await empty_stores(shop) == 1
    assert await shop.relations.removed() == []
    for table in (t.RELATION_STORES, t.RELATION_MODELS, t.RELATION_TYPES, t.RELATION_TUPLES, t.RELATION_CHANGES):
        assert len(await shop.engine.many(Select(table), {})) == 1, table.name
    assert await shop.engine.many(Select(t.RELATION_ASSERTIONS), {}) == []
    assert await keys(shop, store_id=OTHER) == ["doc:1 viewer user:ada"]


READ = [
    "doc:1 editor user:ada",
    "doc:1 viewer group:g#member",
    "doc:1 viewer user:ada",
    "doc:1 viewer user:bo",
    "doc:2 viewer user:ada",
    "docs:1 viewer user:ada",
]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (". . .", READ),
        ("doc:1 . .", READ[:4]),
        ("doc:1 viewer .", READ[1:4]),
        ("doc:1 . user:ada", [READ[0], READ[2]]),
        ("doc:1 viewer user:ada", [READ[2]]),
        ("doc:9 viewer user:ada", []),
        ("doc: . user:ada", [READ[0], READ[2], READ[4]]),
        ("doc: viewer user:ada", [READ[2], READ[4]]),
        ("docs: viewer user:ada", [READ[5]]),
        (". . user:ada", [READ[0], READ[2], READ[4], READ[5]]),
        (". viewer user:ada", [READ[2], READ[4], READ[5]]),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 100])
async def test_what_is_read_comes_page_by_page(shop: Store, pattern: str, found: list[str], size: int) -> None:
    await write(shop, READ)
    assert await keys(shop, pattern, size) == found


async def test_nobody_counts_further_than_is_asked(shop: Store) -> None:
    await write(shop, READ)
    assert [await shop.relations.count(S, most) for most in (1, 4, 100)] == [1, 4, len(READ)]
    assert [await shop.relations.count(OTHER, 9), await shop.relations.count("none", 9)] == [0, 0]


async def test_changes_come_page_by_page(shop: Store) -> None:
    await write(shop, ["doc:1 viewer user:ada", "folder:1 viewer user:ada", "doc:2 viewer user:ada"])
    await write(shop, ["folder:2 viewer user:ada"])
    await write(shop, ["doc:3 viewer user:ada office {}"])

    async def pages(type_: str = "") -> list[str]:
        found: list[str] = []
        after = (0, 0)
        while page := await shop.relations.changes(S, after, type_=type_, size=1):
            found += [change.tuple.object for change in page]
            after = page[-1][:2]
        return found

    assert await pages() == ["doc:1", "folder:1", "doc:2", "folder:2", "doc:3"]
    assert await pages("doc") == ["doc:1", "doc:2", "doc:3"]
    assert await pages("fold") == []
    assert [changed_at for changed_at, _ in await shop.relations.changes_since(S, 1, 10)] == [2, 3]
    assert [tuple_.condition for _, tuple_ in await shop.relations.changes_since(S, 2, 10)] == ["office"]
    assert await shop.relations.first_since(S, NOW) == 1
    assert await shop.relations.first_since(S, NOW + 1) is None


async def test_stores_and_their_models(store: Store) -> None:
    relations, models = store.relations, store.relation_models
    first, second = (RelationStore(id=id_, name="shop", created_at=NOW) for id_ in (S, OTHER))
    await store.commit(relations.add_store(first), relations.add_store(second))
    with pytest.raises(Lost):
        await store.commit(relations.add_store(first))
    assert await relations.store(S) == await relations.store_named("shop") == first
    assert await relations.stores(size=1) == [first]
    assert await relations.stores(after=S, name="shop") == [second]
    assert await relations.stores(name="none") == []
    old, new = (RelationModel(id=id_, model={"id": id_}, created_at=NOW + 5) for id_ in ("M1", "M2"))
    await store.commit(*models.put(S, "", old, ["doc", "user"]))
    with pytest.raises(Lost):
        await store.commit(*models.put(S, "", new, ["doc"]))
    await store.commit(*models.put(S, "M1", new, ["doc"]))
    found = await relations.store(S)
    assert found is not None
    assert (found.model_id, found.updated_at, found.revision) == ("M2", NOW + 5, 0)
    assert await models.get(S, "M1") == old
    assert await models.get(OTHER, "M1") is None
    assert await models.page(S, size=1) == [new]
    assert await models.page(S, before="M2") == [old]
    assert await relations.defining("doc") == [found]
    assert await relations.defining("user") == []
    await store.commit(*models.put_assertions(S, "M1", [{"expectation": True}]))
    await store.commit(*models.put_assertions(S, "M1", [{"expectation": False}]))
    assert await models.assertions(S, "M1") == [{"expectation": False}]
    assert await models.assertions(S, "M2") == []
    await store.commit(relations.remove_store(S, NOW), models.undefine(S))
    assert await relations.store(S) is None
    assert await relations.defining("doc") == []
    assert await relations.store_named("shop") == second
    assert await relations.stores() == [second]
    third = RelationModel(id="M3", model={}, created_at=NOW)
    for steps in (
        [relations.remove_store(S, NOW)], models.put_assertions(S, "M1", []), models.put(S, "M2", third, ["doc"]),
    ):  # fmt: skip
        with pytest.raises(Lost):
            await store.commit(*steps)


async def test_a_store_that_is_there_is_not_forgotten(shop: Store) -> None:
    await shop.commit(shop.relations.forget_store(S))
    assert await shop.relations.store(S) is not None


async def test_of_many_stores_that_define_a_type_two_are_told(store: Store) -> None:
    model = RelationModel(id="M1", model={}, created_at=NOW)
    for n in range(4):
        await store.commit(store.relations.add_store(RelationStore(id=f"S{n}", name="shop")))
        await store.commit(*store.relation_models.put(f"S{n}", "", model, ["doc", f"only{n}"]))
    assert [one.id for one in await store.relations.defining("doc")] == ["S0", "S1"]
    assert [one.id for one in await store.relations.defining("only3")] == ["S3"]


async def test_of_two_stores_with_one_number_the_first_has_it(shop: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while it is removed and not swept yet: what it held is nobody else's."""
    await write(shop, ["doc:1 viewer user:ada"])
    number, other = relation_writes.number_of(S), RelationStore(id=OTHER, name="other")
    monkeypatch.setattr("remit_server.storage.groups.relations.number_of", lambda _: number)
    for _ in range(2):
        with pytest.raises(Lost):
            await shop.commit(shop.relations.add_store(other))
        with suppress(Lost):
            await shop.commit(shop.relations.remove_store(S, NOW))
    await empty_stores(shop)
    await shop.commit(shop.relations.add_store(other))
    assert await keys(shop, store_id=OTHER) == []


async def test_processes_that_write_at_once(open_: Open) -> None:
    """Of equal writes exactly one wins, revisions have no gaps, and a revision that is seen can be read in full."""
    nodes = [await open_() for _ in range(3)]
    await nodes[0].commit(nodes[0].relations.add_store(RelationStore(id=S, name="shop")))
    over = False

    async def writer(node: Store, n: int) -> int:
        won = 0
        for turn in range(8):
            try:
                await write(node, [f"doc:{turn} viewer user:ada", f"doc:{turn} viewer user:bo"])
                won += 1
            except Clash:
                pass
            await write(node, [f"doc:{turn} owner user:{n}"])
        return won

    async def reader(node: Store) -> None:
        while not over:
            seen = await revision(node)
            changes = await node.relations.changes(S, size=1000)
            assert {c.revision for c in changes} >= set(range(1, seen + 1))
            both = Holders("doc:0", "viewer", "user")
            assert len((await node.relations.facts(S, [both]))[both]) in {0, 2}

    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(reader(node)) for node in nodes[:2]]
        won = sum(await asyncio.gather(*(writer(nodes[n % 3], n) for n in range(9))))
        over = True
    assert len(readers) == 2
    assert won == 8
    last = await revision(nodes[0])
    changes = await nodes[0].relations.changes(S, size=1000)
    assert sorted({c.revision for c in changes}) == list(range(1, last + 1))
    assert last == 8 + 72
