"""OpenFGA's tree of one relation, exactly."""

from __future__ import annotations

from typing import Any

import pytest
from tests.rules.relations.memory import answered, tuples

from remit_server.rules.relations.expand import expand
from remit_server.rules.relations.facts import Contextual
from remit_server.rules.relations.model import compiled, parse

MODEL = compiled(
    parse("""
model
  schema 1.1
type user
type folder
  relations
    define viewer: [user]
type document
  relations
    define parent: [folder]
    define owner: [user, user:*, document#editor, user with on_call]
    define alias: owner
    define editor: [user] or owner
    define viewer: editor or viewer from parent
    define both: editor and viewer from parent
    define left: [user] but not (owner and editor)
condition on_call(hour: int) {
  hour < 8
}
""")
)
STORED = tuples(
    "document:1 owner user:bob on_call",
    "document:1 owner user:ada",
    "document:1 owner user:*",
    "document:1 owner document:2#editor",
    "document:1 owner user:old gone",
    "document:1 owner folder:a",
    "document:1 editor user:cem",
    "document:1 parent folder:b",
    "document:1 parent folder:a",
)
OWNERS = ["document:2#editor", "user:*", "user:ada", "user:bob"]


def users(relation: str, *who: str) -> dict[str, Any]:
    return {"name": f"document:1#{relation}", "leaf": {"users": {"users": list(who)}}}


def computed(relation: str, other: str) -> dict[str, Any]:
    return {"name": f"document:1#{relation}", "leaf": {"computed": {"userset": f"document:1#{other}"}}}


def along(relation: str) -> dict[str, Any]:
    parents = [{"userset": "folder:a#viewer"}, {"userset": "folder:b#viewer"}]
    leaf = {"tupleToUserset": {"tupleset": "document:1#parent", "computed": parents}}
    return {"name": f"document:1#{relation}", "leaf": leaf}


def union(relation: str, *nodes: dict[str, Any]) -> dict[str, Any]:
    return {"name": f"document:1#{relation}", "union": {"nodes": list(nodes)}}


@pytest.mark.parametrize(
    ("relation", "expected", "levels"),
    [
        ("owner", users("owner", *OWNERS), 1),  # conditions are not asked; what the model does not take is not there
        ("alias", computed("alias", "owner"), 0),
        ("editor", union("editor", users("editor", "user:cem"), computed("editor", "owner")), 1),
        ("viewer", union("viewer", computed("viewer", "editor"), along("viewer")), 1),
        ("both", {"name": "document:1#both", "intersection": {"nodes": [computed("both", "editor"), along("both")]}}, 1),
        (
            "left",
            {
                "name": "document:1#left",
                "difference": {
                    "base": users("left"),
                    "subtract": {
                        "name": "document:1#left",
                        "intersection": {"nodes": [computed("left", "owner"), computed("left", "editor")]},
                    },
                },
            },
            1,
        ),
    ],
)  # fmt: skip
def test_tree(relation: str, expected: dict[str, Any], levels: int) -> None:
    assert answered(expand(MODEL, "document:1", relation, Contextual()), STORED) == ({"root": expected}, levels)


def test_what_a_question_brings_along() -> None:
    brought = Contextual(tuples("document:9 editor user:eve"))
    tree, _ = answered(expand(MODEL, "document:9", "editor", brought), STORED)
    assert tree["root"]["union"]["nodes"][0]["leaf"] == {"users": {"users": ["user:eve"]}}
