"""One suite over the port `Relations`: the engine in this process on either database, and a real OpenFGA server."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from tests.fixtures.house import ISSUER, START, Clock, House
from tests.fixtures.openfga_server import OpenFgaServer
from tests.ledger import proves

from remit_server.access.embedded import EmbeddedRelations
from remit_server.access.engine import Engine
from remit_server.access.remote import AT_ONCE, RemoteRelations
from remit_server.access.stores import Stores
from remit_server.config import Settings
from remit_server.rules.relations.model import parse
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.runtime.outbound import Outbound
from remit_server.runtime.ports import Listed, Question, Relations, Verdict

MODEL = """model
  schema 1.1

type user
  relations
    define acting_agent: [agent]

type agent

type group
  relations
    define member: [user, group#member]

type document
  relations
    define owner: [user]
    define blocked: [user]
    define viewer: [user, user:*, group#member, user with early] or owner or acting_agent from owner
    define reader: viewer but not blocked

condition early(hour: int) {
  hour < 12
}
"""
TUPLES = (
    RelationTuple("document:1", "owner", "user:ada"),
    RelationTuple("document:2", "viewer", "group:traders#member"),
    RelationTuple("group:traders", "member", "group:juniors#member"),
    RelationTuple("group:juniors", "member", "user:bob"),
    RelationTuple("document:3", "viewer", "user:*"),
    RelationTuple("document:3", "blocked", "user:bob"),
    RelationTuple("document:4", "viewer", "user:carol", "early", ""),
)

Furnish = Callable[[str, Sequence[RelationTuple]], Awaitable[Relations]]


@pytest.fixture(params=["embedded", "openfga"])
def furnish(request: pytest.FixtureRequest) -> Furnish:
    """A provider with this model and these tuples."""
    fixture: Furnish = request.getfixturevalue(f"furnish_{request.param}")
    return fixture


@pytest.fixture
def furnish_embedded(any_house: House) -> Furnish:
    async def made(model: str, tuples: Sequence[RelationTuple]) -> Relations:
        await put(any_house, model, tuples)
        return EmbeddedRelations(Stores(any_house.store), Engine(any_house.store))

    return made


@pytest.fixture
async def furnish_openfga(openfga_server: OpenFgaServer) -> AsyncIterator[Furnish]:
    outbound = Outbound(Settings(issuer=ISSUER), Clock(), context=ssl.create_default_context())

    async def made(model: str, tuples: Sequence[RelationTuple]) -> Relations:
        store = await openfga_server.store(parse(model), [written(one) for one in tuples])
        return RemoteRelations(openfga_server.settings(store), outbound, Clock())

    yield made
    await outbound.close()


def ask(subject: str, relation: str, object_: str, **more: Any) -> Question:
    return Question(subject=subject, relation=relation, object=object_, **more)


@proves("access.port")
async def test_the_same_answers(furnish: Furnish) -> None:
    relations = await furnish(MODEL, TUPLES)
    assert await relations.can([
        ask("user:ada", "viewer", "document:1"),
        ask("user:bob", "viewer", "document:1"),
        ask("user:bob", "viewer", "document:2"),
        ask("group:juniors#member", "viewer", "document:2"),
        ask("user:ada", "reader", "document:3"),
        ask("user:bob", "reader", "document:3"),
        ask("user:carol", "viewer", "document:4", context={"hour": 9}),
        ask("user:carol", "viewer", "document:4", context={"hour": 13}),
    ]) == [Verdict(allowed) for allowed in (True, False, True, True, True, False, True, False)]  # fmt: skip


async def test_many_questions_keep_their_order(furnish: Furnish) -> None:
    relations = await furnish(MODEL, TUPLES)
    asked = [ask("user:bob", "viewer", f"document:{i % 4}") for i in range(AT_ONCE * 2 + 7)]
    assert await relations.can(asked) == [Verdict(i % 4 in {2, 3}) for i in range(len(asked))]
    assert await relations.can([]) == []


async def test_a_tuple_that_a_question_brings_holds_for_it_alone(furnish: Furnish) -> None:
    relations = await furnish(MODEL, TUPLES)
    brings = (RelationTuple("user:ada", "acting_agent", "agent:planner"),)
    for_bob = (RelationTuple("user:bob", "acting_agent", "agent:planner"),)
    assert await relations.can([
        ask("agent:planner", "viewer", "document:1", contextual=brings),
        ask("agent:planner", "viewer", "document:1"),
        ask("agent:planner", "viewer", "document:1", contextual=for_bob),
    ]) == [Verdict(True), Verdict(False), Verdict(False)]  # fmt: skip


@pytest.mark.parametrize(
    "question",
    [
        ask("user:ada", "viewer", "nothing:1"),
        ask("user:ada", "nothing", "document:1"),
        ask("nobody:ada", "viewer", "document:1"),
        ask("user:ada", "viewer", "no object"),
        ask("user:ada", "viewer", "document:*"),
        ask("user: ada", "viewer", "document:1"),
        ask("user:carol", "viewer", "document:4"),
        ask("user:carol", "viewer", "document:4", context={"hour": "nine"}),
        ask("user:ada", "viewer", "document:2", contextual=(RelationTuple("document:2", "viewer", "agent:planner"),)),
    ],
)
@proves("access.port-fails-closed")
async def test_what_cannot_be_answered_is_a_no_and_spoils_nothing_else(furnish: Furnish, question: Question) -> None:
    relations = await furnish(MODEL, TUPLES)
    before, wrong, after = await relations.can([
        ask("user:ada", "viewer", "document:1"), question, ask("user:ada", "viewer", "document:3")
    ])  # fmt: skip
    assert (before, after) == (Verdict(True), Verdict(True))
    assert not wrong.allowed
    assert wrong.fault


async def test_objects(furnish: Furnish) -> None:
    relations = await furnish(MODEL, TUPLES)
    assert await relations.objects("user:bob", "viewer", "document", {}) == Listed(("document:2", "document:3"))
    assert await relations.objects("user:bob", "reader", "document", {}) == Listed(("document:2",))
    early = await relations.objects("user:carol", "viewer", "document", {"hour": 9})
    assert early == Listed(("document:3", "document:4"))


async def test_subjects(furnish: Furnish) -> None:
    relations = await furnish(MODEL, TUPLES)
    assert await relations.subjects("document:1", "viewer", "user", {}) == Listed(("user:ada",))
    assert await relations.subjects("document:2", "viewer", "user", {}) == Listed(("user:bob",))
    assert await relations.subjects("document:3", "viewer", "user", {}) == Listed(("user:*",))


@pytest.mark.parametrize("type_", ["nothing", "no type", ""])
async def test_a_list_of_what_there_is_not_is_empty_and_says_why(furnish: Furnish, type_: str) -> None:
    relations = await furnish(MODEL, TUPLES)
    for found in (
        await relations.objects("user:ada", "viewer", type_, {}),
        await relations.subjects("document:1", "viewer", type_, {}),
    ):
        assert found.ids == ()
        assert found.fault


async def test_what_a_type_has(furnish: Furnish) -> None:
    relations = await furnish(MODEL, TUPLES)
    assert set(await relations.relations_of("document")) == {"owner", "blocked", "viewer", "reader"}
    assert await relations.relations_of("nothing") == ()


async def put(house: House, model: str, tuples: Sequence[RelationTuple]) -> None:
    """A relation store in the house."""
    raise NotImplementedError


def written(one: RelationTuple) -> dict[str, Any]:
    key: dict[str, Any] = {"user": one.subject, "relation": one.relation, "object": one.object}
    return key | ({"condition": {"name": one.condition}} if one.condition else {})
