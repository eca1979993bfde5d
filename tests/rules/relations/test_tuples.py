"""Tuples: how they are written, and which of them a model takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.ledger import proves
from tests.rules.relations.memory import tuples

from remit_server.errors import ConfigurationError, InvalidRequest
from remit_server.rules.relations import conditions
from remit_server.rules.relations import tuples as relations
from remit_server.rules.relations.model import Direct, Model, Relation, Restriction, compiled, parse
from remit_server.rules.relations.tuples import LARGEST_CONTEXT, ConditionFault, RelationTuple, parse_tuple

DRIVE = """
model
  schema 1.1
type user
type group
  relations
    define member: [user, user:*, group#member]
type document
  relations
    define owner: [user]
    define editor: [user, group#member] or owner
    define viewer: [user, user:*] or editor
    define signer: editor and viewer
    define public: [user:*]
"""


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("document:1 viewer user:ada", None),
        ("document:1 viewer user:*", None),
        ("document:1 viewer user:auth0|ada", None),
        ("document:1 editor group:a#member", None),
        ("document:1 viewer group:a#member", "does not take"),
        ("document:1 owner user:*", "does not take"),
        ("document:1 public user:ada", "does not take"),
        ("document:1 signer user:ada", "no tuples: it follows from other relations"),
        ("document:1 reader user:ada", "is not a relation"),
        ("picture:1 viewer user:ada", "is not defined"),
        ("document viewer user:ada", "is not written"),
        ("document:* viewer user:ada", "is not written"),
        ("document:1#viewer viewer user:ada", "is not written"),
        ("document:1 viewer ada", "is not written"),
        ("document:1:2 viewer user:ada", "is not written"),
        ("document:1 viewer user:ada:2", "is not written"),
        ("document:1 viewer user:*#member", "has no relation"),
        ("document:1 viewer group:a*#member", "has no relation"),
        ("document:1 viewer group:a#", "has no relation"),
        (f"document:{'x' * 256} viewer user:ada", "is not written"),
    ],
)
def test_what_a_model_takes(text: str, fault: str | None) -> None:
    found = relations.judge(compiled(parse(DRIVE)), tuples(text)[0])
    assert (found is None) if fault is None else fault in str(found)


@pytest.mark.parametrize("part", ["user:a b", "user:a\n", "user:\0", "user:"])
def test_characters_that_have_no_place_in_a_name(part: str) -> None:
    assert relations.malformed(RelationTuple("document:1", "viewer", part))
    assert relations.malformed(RelationTuple(part, "viewer", "user:ada"))


@pytest.mark.parametrize(
    "asked", ["document:1 reader user:ada", "picture:1 viewer user:ada", "document:1 viewer robot:1",
              "document:1 viewer group:a#owner"],
)  # fmt: skip
def test_a_question_that_the_model_cannot_mean(asked: str) -> None:
    with pytest.raises(InvalidRequest):
        relations.question(compiled(parse(DRIVE)), tuples(asked)[0])


WRITTEN = {"user": "user:ada", "relation": "viewer", "object": "document:1"}


def test_tuples_in_yaml_form() -> None:
    assert parse_tuple(WRITTEN) == RelationTuple("document:1", "viewer", "user:ada")
    assert parse_tuple({**WRITTEN, "condition": None}) == parse_tuple(WRITTEN)
    assert parse_tuple({**WRITTEN, "condition": {"name": "c"}})[3:] == ("c", "")
    assert parse_tuple({**WRITTEN, "condition": {"name": "c", "context": {"x": [1]}}})[3:] == ("c", '{"x": [1]}')


@pytest.mark.parametrize(
    "wrong",
    [
        {"user": "user:ada"}, {**WRITTEN, "user": 1}, {**WRITTEN, "user": "a"}, {**WRITTEN, "more": 1}, [], None,
        *({**WRITTEN, "condition": each} for each in (
            {}, [], "c", {"name": ""}, {"name": 1}, {"name": "c", "more": 1}, {"name": "c", "context": [1]},
            {"name": "c", "context": {"x": float("nan")}}, {"name": "c", "context": {"x": object()}},
        )),
    ],
)  # fmt: skip
def test_what_is_no_tuple(wrong: Any) -> None:
    with pytest.raises(ConfigurationError):
        parse_tuple(wrong)


UNDER = conditions.compiled("under", "x < y", {name: {"type_name": "TYPE_NAME_INT"} for name in "xy"})
OVER = conditions.compiled("over", "x == 'a'", {"x": {"type_name": "TYPE_NAME_STRING"}})
TAKES = (
    Restriction("user", condition="under"),
    Restriction("user"),
    Restriction("user", wildcard=True, condition="over"),
)
CONDITIONED = Model(
    {"user": {}, "document": {"viewer": Relation(Direct(), TAKES)}}, {"under": UNDER, "over": OVER}
)  # fmt: skip


@proves("relations.tuples-fit-their-model")
@pytest.mark.parametrize(
    ("subject", "condition", "context", "fault"),
    [
        ("user:ada", "", "", None),
        ("user:ada", "under", "", None),
        ("user:ada", "under", '{"x": 1}', None),
        ("user:ada", "under", '{"x": 1, "y": "2.0"}', None),
        ("user:ada", "over", "", "with no condition or the condition `under`, not 'over'"),
        ("user:ada", "unknown", "", "not 'unknown'"),
        ("user:*", "", "", "with the condition `over`, and it carries none"),
        ("user:*", "over", '{"x": "a"}', None),
        ("user:ada", "", '{"x": 1}', "there is none"),
        ("user:ada", "under", '{"z": 1}', "'z' is not a parameter"),
        ("user:ada", "under", '{"x": "a"}', "`x` of the condition `under` must be a number"),
        ("user:*", "over", json.dumps({"x": "a" * LARGEST_CONTEXT}), "at most 32768 bytes"),
    ],
)
def test_conditions_that_a_relation_takes(subject: str, condition: str, context: str, fault: str | None) -> None:
    found = relations.judge(CONDITIONED, RelationTuple("document:1", "viewer", subject, condition, context))
    assert (found is None) if fault is None else fault in str(found)
    assert isinstance(found, ConditionFault) is bool(fault)


def test_a_fault_of_more_than_the_condition_is_no_condition_fault() -> None:
    for subject in ("document:1", "user", "group:a#member"):
        found = relations.judge(CONDITIONED, RelationTuple("document:1", "viewer", subject, "unknown"))
        assert found
        assert not isinstance(found, ConditionFault)
