"""Who has a relation to an object: users, everybody, usersets, and whom a subtraction takes away."""

from __future__ import annotations

import pytest
from tests.ledger import proves
from tests.rules.relations.memory import answered, tuples
from tests.rules.relations.suites import asked
from tests.rules.relations.worlds import NAMES, OBJECTS, worlds

from remit_server.errors import InvalidRequest
from remit_server.rules.relations import list_users as listing
from remit_server.rules.relations.check import Asker, check
from remit_server.rules.relations.conditions import Unevaluable
from remit_server.rules.relations.facts import Contextual
from remit_server.rules.relations.list_users import Sought, list_users
from remit_server.rules.relations.model import compiled, parse
from remit_server.rules.relations.solving import TooComplex

MODEL = compiled(
    parse("""
model
  schema 1.1
type user
type bot
type group
  relations
    define member: [user, bot, user:*, group#member]
type folder
  relations
    define parent: [folder]
    define viewer: [user, group#member] or viewer from parent
type document
  relations
    define parent: [folder]
    define base: [user, user:*, group#member, user with on_call]
    define staff: [user, user:*]
    define blocked: [user, user:*]
    define cleared: [user, user:*]
    define viewer: base or viewer from parent
    define both: base and staff
    define open: base but not blocked
    define pardoned: base but not (blocked but not cleared)
    define odd: [user] but not odder
    define odder: [user] or odd from next
    define next: [document]
condition on_call(hour: int) {
  hour < 8
}
""")
)


@pytest.mark.parametrize(
    ("relation", "stored", "expected"),
    [
        ("viewer", [], []),
        ("viewer", ["document:1 base user:ada"], ["user:ada"]),
        ("viewer", ["document:1 base group:a#member", "group:a member user:ada", "group:a member bot:1"], ["user:ada"]),
        (
            "viewer",
            ["document:1 parent folder:a", "folder:a parent folder:b", "folder:b viewer user:ada"],
            ["user:ada"],
        ),
        # a cycle brings nobody
        (
            "viewer",
            ["document:1 base group:a#member", "group:a member group:b#member", "group:b member group:a#member"],
            [],
        ),
        # everybody, and those who are named beside
        ("viewer", ["document:1 base user:*", "document:1 base user:ada"], ["user:*", "user:ada"]),
        # and
        ("both", ["document:1 base user:ada", "document:1 base user:bob", "document:1 staff user:bob"], ["user:bob"]),
        ("both", ["document:1 base user:*", "document:1 staff user:bob"], ["user:bob"]),
        ("both", ["document:1 base user:*", "document:1 staff user:*"], ["user:*"]),
        # but not
        ("open", ["document:1 base user:ada", "document:1 base user:bob", "document:1 blocked user:bob"], ["user:ada"]),
        ("open", ["document:1 base user:*", "document:1 blocked user:bob"], ["user:*"]),
        ("open", ["document:1 base user:*", "document:1 base user:ada", "document:1 blocked user:*"], []),
        ("open", ["document:1 base user:ada", "document:1 blocked user:*"], []),
        # but not, but not: who is excepted from what excepts is back, by name
        (
            "pardoned",
            ["document:1 base user:*", "document:1 blocked user:*", "document:1 cleared user:bob"],
            ["user:bob"],
        ),
        (
            "pardoned",
            ["document:1 base user:ada", "document:1 blocked user:*", "document:1 cleared user:*"],
            ["user:ada"],
        ),
        # a subtraction that stands on itself denies
        ("odd", ["document:1 odd user:ada", "document:1 next document:1"], []),
    ],
)
def test_lists(relation: str, stored: list[str], expected: list[str]) -> None:
    listed, _ = answered(list_users(MODEL, Sought("document:1", relation, "user")), tuples(*stored))
    assert (listed.found, listed.partial) == (expected, False)


def test_usersets_are_listed_where_they_are_sought() -> None:
    stored = tuples("document:1 base group:a#member", "group:a member group:b#member", "document:1 base user:ada")
    listed, _ = answered(list_users(MODEL, Sought("document:1", "viewer", "group#member")), stored)
    assert listed.found == ["group:a#member", "group:b#member"]
    listed, _ = answered(list_users(MODEL, Sought("group:a", "member", "group#member")), stored)
    assert listed.found == ["group:a#member", "group:b#member"]


def test_a_kind_that_cannot_have_the_relation_is_not_looked_for() -> None:
    listed, reads = answered(list_users(MODEL, Sought("document:1", "staff", "bot")), tuples("document:1 staff user:*"))
    assert (listed.found, reads) == ([], 0)


def test_conditions() -> None:
    stored = tuples("document:1 base user:ada on_call", "document:1 base user:bob")
    for context, expected in (({"hour": 7}, ["user:ada", "user:bob"]), ({"hour": 9}, ["user:bob"])):
        sought = Sought("document:1", "viewer", "user", context=context)
        assert answered(list_users(MODEL, sought), stored)[0].found == expected
    with pytest.raises(Unevaluable):  # ada might be missing
        answered(list_users(MODEL, Sought("document:1", "viewer", "user")), stored)


def test_what_a_question_brings_along() -> None:
    sought = Sought("document:1", "viewer", "user", Contextual(tuples("group:a member user:cem")))
    listed, _ = answered(list_users(MODEL, sought), tuples("document:1 base group:a#member"))
    assert listed.found == ["user:cem"]


def test_what_is_too_deep_is_an_error() -> None:
    """As for OpenFGA and for check: whoever stands deeper would be missing."""
    stored = tuples("document:1 parent folder:0", *(f"folder:{each} parent folder:{each + 1}" for each in range(30)))
    with pytest.raises(TooComplex):
        answered(list_users(MODEL, Sought("document:1", "viewer", "user")), stored)


def test_a_list_that_is_cut_says_so_and_lists_nobody_who_might_be_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "BROADEST", 5)
    groups = [f"document:1 base group:{each}#member" for each in range(10)]
    stored = tuples(*groups, "group:1 member user:ada", "document:1 base user:bob", "document:1 cleared user:bob")
    listed, _ = answered(list_users(MODEL, Sought("document:1", "viewer", "user")), stored)
    assert (listed.found, listed.partial) == (["user:bob"], True)


def test_openfgas_suites() -> None:
    wrong, count = [], 0
    for case in asked("listUsersAssertions"):
        request = case.request
        sought = Sought(request["object"], request["relation"], request["filters"][0], case.contextual, case.context)
        got: list[str] | str
        try:
            got = answered(list_users(case.model, sought), case.stored)[0].found
        except InvalidRequest as error:
            got = error.code
        count += 1
        if got != case.expected:
            wrong.append((case.name, case.request, case.expected, got))
    assert (wrong, count) == ([], 692)


@proves("relations.lists-are-what-check-says")
def test_who_is_listed_is_whom_check_allows() -> None:
    for model, stored in worlds(range(70)):
        for object_ in OBJECTS:
            for relation in NAMES:
                try:
                    listed, _ = answered(list_users(model, Sought(object_, relation, "user")), stored)
                except Unevaluable:
                    continue
                for subject in ("user:x", "user:y", "user:nobody"):
                    [verdict], _ = answered(check(model, Asker(subject), [(object_, relation)]), stored)
                    if subject in listed.found:
                        assert verdict is True
                    elif "user:*" not in listed.found:
                        assert verdict is False
