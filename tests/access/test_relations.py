"""One suite over the port `Relations`: the engine in this process on either database, and a real OpenFGA server."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fixtures.openfga_server import Furnish
from tests.ledger import proves

from remit_server.access.remote import AT_ONCE
from remit_server.rules.relations.tuples import RelationTuple
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
    "document:1 owner user:ada",
    "document:2 viewer group:traders#member",
    "group:traders member group:juniors#member",
    "group:juniors member user:bob",
    "document:3 viewer user:*",
    "document:3 blocked user:bob",
    "document:4 viewer user:carol early",
)


@pytest.fixture
async def relations(furnish: Furnish) -> Relations:
    return (await furnish(MODEL, *TUPLES)).machines.relations


def ask(subject: str, relation: str, object_: str, **more: Any) -> Question:
    return Question(subject=subject, relation=relation, object=object_, **more)


@proves("access.port")
async def test_the_same_answers(relations: Relations) -> None:
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


async def test_many_questions_keep_their_order(relations: Relations) -> None:
    asked = [ask("user:bob", "viewer", f"document:{i % 4}") for i in range(AT_ONCE * 2 + 7)]
    assert await relations.can(asked) == [Verdict(i % 4 in {2, 3}) for i in range(len(asked))]
    assert await relations.can([]) == []


async def test_a_tuple_that_a_question_brings_holds_for_it_alone(relations: Relations) -> None:
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
async def test_what_cannot_be_answered_is_a_no_and_spoils_nothing_else(
    relations: Relations, question: Question
) -> None:
    before, wrong, after = await relations.can([
        ask("user:ada", "viewer", "document:1"), question, ask("user:ada", "viewer", "document:3")
    ])  # fmt: skip
    assert (before, after) == (Verdict(True), Verdict(True))
    assert not wrong.allowed
    assert wrong.fault


async def test_objects(relations: Relations) -> None:
    assert await relations.objects("user:bob", "viewer", "document", {}) == Listed(("document:2", "document:3"))
    assert await relations.objects("user:bob", "reader", "document", {}) == Listed(("document:2",))
    early = await relations.objects("user:carol", "viewer", "document", {"hour": 9})
    assert early == Listed(("document:3", "document:4"))


async def test_objects_with_a_tuple_that_the_search_brings(relations: Relations) -> None:
    brings = (RelationTuple("user:ada", "acting_agent", "agent:planner"),)
    asked = ("agent:planner", "viewer", "document", {})
    assert await relations.objects(*asked, brings) == Listed(("document:1",))
    assert await relations.objects(*asked) == Listed(())
    wrong = await relations.objects(*asked, (RelationTuple("document:2", "viewer", "agent:planner"),))
    assert (wrong.ids, bool(wrong.fault)) == ((), True)


async def test_subjects(relations: Relations) -> None:
    assert await relations.subjects("document:1", "viewer", "user", {}) == Listed(("user:ada",))
    assert await relations.subjects("document:2", "viewer", "user", {}) == Listed(("user:bob",))
    assert await relations.subjects("document:3", "viewer", "user", {}) == Listed(("user:*",))


@pytest.mark.parametrize("type_", ["nothing", "no type", ""])
async def test_a_list_of_what_there_is_not_is_empty_and_says_why(relations: Relations, type_: str) -> None:
    for found in (
        await relations.objects("user:ada", "viewer", type_, {}),
        await relations.subjects("document:1", "viewer", type_, {}),
    ):
        assert found.ids == ()
        assert found.fault


async def test_what_a_type_has(relations: Relations) -> None:
    assert set(await relations.relations_of("document")) == {"owner", "blocked", "viewer", "reader"}
    assert await relations.relations_of("nothing") == ()
