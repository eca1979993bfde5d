"""The embedded engine over a real database: few statements, nothing stale, and every answer of one revision."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Any

import pytest
from tests.fixtures.relations import put_store, write
from tests.ledger import proves

from remit_server.access.embedded import EmbeddedRelations
from remit_server.access.engine import TRIES, Engine
from remit_server.access.refusals import StoreNotFound
from remit_server.access.stores import Opened, Stores
from remit_server.errors import TemporarilyUnavailable
from remit_server.rules.relations.check import Asker, Question, Verdict
from remit_server.rules.relations.facts import Found, Need
from remit_server.rules.relations.list_objects import list_objects
from remit_server.rules.relations.model import parse
from remit_server.runtime import ports
from remit_server.storage.barrier import Master
from remit_server.storage.groups.relations import Relations
from remit_server.storage.open import open_store
from remit_server.storage.store import Store

S = "01JSTORE0000000000000000S1"
TEXT = """
model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type folder
  relations
    define parent: [folder]
    define viewer: [user, group#member] or viewer from parent
type document
  relations
    define parent: [folder]
    define blocked: [user]
    define viewer: ([user, user:*, group#member] or viewer from parent) but not blocked
"""
MODEL = parse(TEXT)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    opened = await open_store(database_url, Master(b"m" * 32), 0)
    await put_store(opened, S, MODEL)
    yield opened
    await opened.close()


class Counting:
    """A storage engine that counts what is asked of it."""

    def __init__(self, engine: Any) -> None:
        self.engine, self.statements = engine, 0

    def __getattr__(self, name: str) -> Any:
        self.statements += name in {"one", "few", "many", "each"}
        return getattr(self.engine, name)


class Meddling(Relations):
    """Somebody writes between two readings."""

    def __init__(self, engine: Any) -> None:
        super().__init__(engine)
        self.meddle: Callable[[], Awaitable[object]] | None = None
        read = self.facts

        async def meddled(store_id: str, needs: Collection[Need]) -> Found:
            found = await read(store_id, needs)
            if self.meddle:
                await self.meddle()
            return found

        self.facts = meddled  # type: ignore[method-assign]


class Asking:
    def __init__(self, store: Store) -> None:
        self.store, self.engine, self.stores = store, Engine(store), Stores(store)

    async def many(self, *texts: str) -> list[Verdict]:
        """`document:1 viewer user:ada`, as of now."""
        asked = [text.split() for text in texts]
        questions = [Question(subject, relation, object_) for object_, relation, subject in asked]
        return await self.engine.check(await self.stores.open(S), questions)

    async def one(self, text: str) -> Verdict:
        [verdict] = await self.many(text)
        return verdict

    async def objects(self, subject: str) -> list[str]:
        opened, asker = await self.stores.open(S), Asker(subject)
        [listed] = await self.engine.answer(opened, lambda: [list_objects(opened.model, asker, "document", "viewer")])
        return listed.found


def nested(documents: int) -> list[str]:
    """Documents in folders four deep, of which each is shared with a group four deep."""
    chain = [f"group:{n} member group:{n + 1}#member" for n in range(4)] + ["group:4 member user:ada"]
    folders = [f"folder:{n} parent folder:{n // 10}" for n in range(10, 1000)] + ["folder:1 viewer group:0#member"]
    return chain + folders + [f"document:{n} parent folder:{100 + n % 900}" for n in range(documents)]


@proves("access.statements")
@pytest.mark.parametrize("size", [100, 1000])
async def test_a_batch_takes_few_statements_whatever_its_size(store: Store, size: int) -> None:
    texts = nested(1000)
    for first in range(0, len(texts), 500):
        await write(store, S, texts[first : first + 500])
    counting = Counting(store.engine)
    store.relations = Relations(counting)
    asking = Asking(store)
    asked = [f"document:{n} viewer user:ada" for n in range(size)]
    first = await asking.many(*asked)
    assert sum(verdict is True for verdict in first) == sum(100 <= 100 + n % 900 < 200 for n in range(size))
    assert counting.statements <= 15
    before = counting.statements
    assert await asking.many(*asked) == first
    assert counting.statements == before + 1, "what is known and was not changed is not read again"


@proves("access.read-your-writes")
async def test_what_one_node_writes_another_sees_with_its_next_question(database_url: str, store: Store) -> None:
    other = await open_store(database_url, Master(b"m" * 32), 0)
    try:
        here, there = Asking(store), Asking(other)
        for _ in range(20):
            await write(store, S, ["document:1 viewer group:a#member", "group:a member user:ada"])
            assert [await there.one("document:1 viewer user:ada"), await there.objects("user:ada")] == [
                True,
                ["document:1"],
            ]
            assert await here.one("document:1 viewer user:ada") is True
            await write(other, S, [], ["group:a member user:ada"])
            assert [await here.one("document:1 viewer user:ada"), await here.objects("user:ada")] == [False, []]
            await write(other, S, [], ["document:1 viewer group:a#member"])
    finally:
        await other.close()


@proves("access.one-revision")
async def test_an_answer_mixes_no_two_states(store: Store) -> None:
    """The document moves away from the group in the same write in which Ada comes into it: she never could see it."""
    await write(store, S, ["document:1 viewer group:a#member"])
    relations = store.relations = Meddling(store.engine)

    async def swap() -> None:
        relations.meddle = None
        await write(store, S, ["group:a member user:ada"], ["document:1 viewer group:a#member"])

    asking = Asking(store)
    relations.meddle = swap
    assert await asking.one("document:1 viewer user:ada") is False
    assert await asking.one("document:1 viewer user:ada") is False, "and nothing of the mixture was kept"
    assert await asking.one("group:a member user:ada") is True


@proves("access.one-revision")
async def test_what_is_written_elsewhere_meanwhile_is_no_reason_to_read_again(store: Store) -> None:
    await write(store, S, ["document:1 viewer group:a#member", "group:a member user:ada"])
    relations = store.relations = Meddling(Counting(store.engine))
    writes = iter(range(100))

    async def elsewhere() -> None:
        await write(store, S, [f"document:2 viewer user:{next(writes)}"])

    relations.meddle = elsewhere
    assert await Asking(store).one("document:1 viewer user:ada") is True
    assert next(writes) == 2, "each level was read once"


@proves("access.one-revision")
async def test_tuples_that_never_rest_are_no_answer(store: Store) -> None:
    await write(store, S, ["document:1 viewer group:a#member"])
    relations = store.relations = Meddling(store.engine)
    turns = 0

    async def flip() -> None:
        nonlocal turns
        turns += 1
        text = ["group:a member user:ada"]
        await write(store, S, *((text, []) if turns % 2 else ([], text)))

    relations.meddle = flip
    with pytest.raises(TemporarilyUnavailable) as refused:
        await Asking(store).one("document:1 viewer user:ada")
    assert refused.value.headers["Retry-After"]
    assert turns >= TRIES


@proves("access.one-revision")
async def test_writers_and_readers_at_once(database_url: str, store: Store) -> None:
    """Ada is in exactly one of two groups at every revision, and every answer says so; who wrote sees it at once."""
    await write(
        store, S, ["group:0 member user:ada", "document:0 viewer group:0#member", "document:1 viewer group:1#member"]
    )
    nodes = [store, await open_store(database_url, Master(b"m" * 32), 0)]
    asked = ("document:0 viewer user:ada", "document:1 viewer user:ada")
    over = False

    async def move(node: Store) -> None:
        asking = Asking(node)
        for turn in range(60):
            to, from_ = (turn + 1) % 2, turn % 2
            await write(node, S, [f"group:{to} member user:ada"], [f"group:{from_} member user:ada"])
            assert await asking.one(f"document:{to} viewer user:ada") is True
            assert await asking.one(f"document:{from_} viewer user:ada") is False

    async def look(node: Store) -> int:
        asking, looked = Asking(node), 0
        while not over:
            try:
                assert sorted(bool(verdict) for verdict in await asking.many(*asked)) == [False, True]
                assert len(await asking.objects("user:ada")) == 1
            except TemporarilyUnavailable:
                continue
            looked += 1
            await asyncio.sleep(0)
        return looked

    try:
        readers = [asyncio.create_task(look(node)) for node in nodes for _ in range(3)]
        await move(nodes[1])
        over = True
        assert sum(await asyncio.gather(*readers)) > 50
    finally:
        over = True
        await nodes[1].close()


@proves("access.one-revision")
async def test_questions_of_one_batch_are_asked_of_one_model(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model is put between the looks for the stores of two types."""
    relations = EmbeddedRelations(store)
    defining, newer = relations.stores.defining, parse(TEXT.replace("viewer", "reader"))

    async def meddled(kind: str) -> Opened | None:
        found = await defining(kind)
        if kind == "document":
            await put_store(store, S, newer)
        return found

    monkeypatch.setattr(relations.stores, "defining", meddled)
    await write(store, S, ["document:1 viewer user:ada"])
    assert await relations.can([
        ports.Question(subject="user:ada", relation="viewer", object="document:1"),
        ports.Question(subject="user:ada", relation="reader", object="folder:1"),
    ]) == [ports.Verdict(True), ports.Verdict(False, "The model defines no 'reader' for 'folder'.")]  # fmt: skip


@proves("access.one-revision")
async def test_a_store_that_is_removed_meanwhile_gives_no_answer(store: Store) -> None:
    """Its tuples are swept a part at a time, and what blocks may be gone before what allows."""
    await write(
        store, S, ["document:1 viewer group:a#member", "group:a member user:ada", "document:1 blocked user:ada"]
    )
    relations = store.relations = Meddling(store.engine)
    asking = Asking(store)
    opened = await asking.stores.open(S)

    async def remove() -> None:
        relations.meddle = None
        await store.commit(relations.remove_store(S, 1))

    relations.meddle = remove
    with pytest.raises(StoreNotFound):
        await asking.engine.check(opened, [Question("user:ada", "viewer", "document:1")])
    [remembered] = asking.engine._remembered.values()
    assert not remembered.facts


async def test_what_is_kept_of_one_answer_is_bounded(store: Store) -> None:
    asking = Asking(store)
    asking.engine = Engine(store, room=100)
    assert not any(await asking.many(*(f"document:{n} viewer user:{n}" for n in range(300))))
    [remembered] = asking.engine._remembered.values()
    assert 0 < len(remembered.facts) <= 110


async def test_what_is_kept_of_all_stores_is_bounded(store: Store) -> None:
    """The one used longest ago is forgotten first."""
    asking = Asking(store)
    asking.engine = Engine(store, room=100)
    stores = [f"01JSTORE0000000000000000T{n}" for n in range(6)]
    for id_ in stores:
        await put_store(store, id_, MODEL)
        opened = await asking.stores.open(id_)
        questions = [Question(f"user:{n}", "viewer", "document:1") for n in range(20)]
        assert not any(await asking.engine.check(opened, questions))
        assert sum(one.size for one in asking.engine._remembered.values()) <= 300
    assert len(asking.engine._remembered) > 1
    assert stores[-1] in asking.engine._remembered
    assert stores[0] not in asking.engine._remembered


async def test_what_is_kept_is_bounded(store: Store) -> None:
    await write(store, S, [f"document:{n} viewer user:ada" for n in range(300)])
    asking = Asking(store)
    asking.engine = Engine(store, room=100)
    for n in range(300):
        assert await asking.one(f"document:{n} viewer user:ada") is True
    [remembered] = asking.engine._remembered.values()
    assert len(remembered.facts) <= 110
