"""The objects that a subject has a relation to: all of them, and none that check denies."""

from __future__ import annotations

import pytest
from tests.ledger import proves
from tests.rules.relations.memory import answered, tuples
from tests.rules.relations.suites import asked
from tests.rules.relations.worlds import NAMES, OBJECTS, SUBJECTS, worlds

from remit_server.errors import InvalidRequest
from remit_server.rules.relations import reach
from remit_server.rules.relations.check import Asker, check
from remit_server.rules.relations.conditions import Unevaluable
from remit_server.rules.relations.facts import Contextual
from remit_server.rules.relations.list_objects import list_objects
from remit_server.rules.relations.model import compiled, parse
from remit_server.rules.relations.tuples import RelationTuple, question

DRIVE = compiled(
    parse("""
model
  schema 1.1
type user
type group
  relations
    define member: [user, user:*, group#member]
type folder
  relations
    define parent: [folder]
    define viewer: [user, group#member] or viewer from parent
type document
  relations
    define parent: [folder]
    define blocked: [user, group#member]
    define released: [user:*]
    define owner: [user, user with on_call]
    define viewer: ([user, user:*, group#member] or owner or viewer from parent) but not blocked
    define reader: viewer and released
    define odd: [user] but not odder
    define odder: [user] or odd from next
    define next: [document]
condition on_call(hour: int) {
  hour < 8
}
""")
)
STORED = tuples(
    "group:a member user:ada",
    "group:b member group:a#member",
    "folder:top viewer group:b#member",
    "folder:mid parent folder:top",
    "document:1 parent folder:mid",
    "document:2 parent folder:mid",
    "document:2 blocked group:a#member",
    "document:3 viewer user:*",
    "document:4 owner user:ada",
    "document:5 owner user:bob on_call",
    "document:1 released user:*",
    "document:3 released user:*",
    "document:6 odd user:ada",
    "document:7 odd user:ada",
    "document:7 next document:6",
)


@pytest.mark.parametrize(
    ("asker", "type_", "relation", "expected"),
    [
        (Asker("user:ada"), "document", "viewer", ["document:1", "document:3", "document:4"]),
        (Asker("user:ada"), "folder", "viewer", ["folder:mid", "folder:top"]),
        (Asker("user:ada"), "group", "member", ["group:a", "group:b"]),
        # and: all that is released is not worth listing; what is visible is checked
        (Asker("user:ada"), "document", "reader", ["document:1", "document:3"]),
        # a subtraction that stands on itself
        (Asker("user:ada"), "document", "odd", ["document:6"]),
        # everybody, and usersets, as subjects; a userset stands in itself
        (Asker("user:*"), "document", "viewer", ["document:3"]),
        (Asker("group:a#member"), "document", "viewer", ["document:1"]),
        (Asker("group:a#member"), "group", "member", ["group:a", "group:b"]),
        # what a question brings along
        (Asker("user:cem"), "document", "viewer", ["document:3"]),
        (Asker("user:cem", Contextual(tuples("group:a member user:cem"))), "document", "viewer", ["document:1", "document:3"]),
        # conditions
        (Asker("user:bob", context={"hour": 7}), "document", "viewer", ["document:3", "document:5"]),
        (Asker("user:bob", context={"hour": 9}), "document", "viewer", ["document:3"]),
    ],
)  # fmt: skip
def test_lists(asker: Asker, type_: str, relation: str, expected: list[str]) -> None:
    told: list[str] = []
    listed, _ = answered(list_objects(DRIVE, asker, type_, relation, told.extend), STORED)
    assert (listed.found, listed.partial) == (expected, False)
    assert sorted(told) == expected


def test_a_condition_that_cannot_be_told_is_an_error() -> None:
    with pytest.raises(Unevaluable):
        answered(list_objects(DRIVE, Asker("user:bob"), "document", "viewer"), STORED)


def test_a_condition_that_cannot_be_told_does_not_matter_where_another_way_decides() -> None:
    stored = [*STORED, *tuples("document:5 viewer user:*")]
    listed, _ = answered(list_objects(DRIVE, Asker("user:bob"), "document", "viewer"), stored)
    assert listed.found == ["document:3", "document:5"]


def test_what_is_proved_early_is_told_early() -> None:
    told: list[str] = []
    steps = list_objects(DRIVE, Asker("user:ada"), "folder", "viewer", told.extend)
    held = Contextual(STORED)
    wanted = next(steps)
    while not told:
        wanted = steps.send({need: held.over(need, ()) for need in wanted})
    assert told == ["folder:top"]


def test_ten_thousand_objects_take_as_many_levels_as_one() -> None:
    many = [*STORED, *tuples(*(f"document:m{each} parent folder:mid" for each in range(10_000)))]
    few, levels = answered(list_objects(DRIVE, Asker("user:ada"), "document", "viewer"), STORED)
    listed, reads = answered(list_objects(DRIVE, Asker("user:ada"), "document", "viewer"), many)
    assert (len(listed.found), reads) == (len(few.found) + 10_000, levels)


def test_a_tree_deeper_than_check_looks_is_listed() -> None:
    """As OpenFGA lists it."""
    stored = tuples("folder:0 viewer user:ada", *(f"folder:{each + 1} parent folder:{each}" for each in range(60)))
    listed, _ = answered(list_objects(DRIVE, Asker("user:ada"), "folder", "viewer"), stored)
    assert (len(listed.found), listed.partial) == (61, False)


@pytest.mark.parametrize(("limit", "least"), [("BROADEST", 8), ("DEEPEST", 8)])
def test_a_limit_makes_a_list_partial_and_says_so(monkeypatch: pytest.MonkeyPatch, limit: str, least: int) -> None:
    monkeypatch.setattr(reach, limit, least)
    stored = tuples("folder:0 viewer user:ada", *(f"folder:{each + 1} parent folder:{each}" for each in range(60)))
    listed, _ = answered(list_objects(DRIVE, Asker("user:ada"), "folder", "viewer"), stored)
    assert listed.partial
    assert least <= len(listed.found) < 20


def test_openfgas_suites() -> None:
    wrong, count = [], 0
    for case in asked("listObjectsAssertions"):
        user, type_, relation = (case.request[name] for name in ("user", "type", "relation"))
        got: list[str] | str
        try:
            question(case.model, RelationTuple(f"{type_}:1", relation, user))
            steps = list_objects(case.model, Asker(user, case.contextual, case.context), type_, relation)
            got = answered(steps, case.stored)[0].found
        except InvalidRequest as error:
            got = error.code.replace("invalid_request", "validation_error")  # as the endpoint says it
        count += 1
        if got != case.expected:
            wrong.append((case.name, case.request, case.expected, got))
    assert (wrong, count) == ([], 604)


@proves("relations.lists-are-what-check-says")
def test_a_list_is_what_check_says_of_each() -> None:
    for model, stored in worlds(range(70)):
        for subject in SUBJECTS:
            for type_, relation in ((type_, name) for type_ in ("group", "doc") for name in NAMES):
                nodes = [(object_, relation) for object_ in OBJECTS if object_.startswith(type_)]
                verdicts, _ = answered(check(model, Asker(subject), nodes), stored)
                steps = list_objects(model, Asker(subject), type_, relation)
                if any(isinstance(verdict, InvalidRequest) for verdict in verdicts):
                    with pytest.raises(Unevaluable):
                        answered(steps, stored)
                else:
                    allowed = [object_ for (object_, _), verdict in zip(nodes, verdicts, strict=True) if verdict]
                    assert answered(steps, stored)[0].found == allowed
