"""Relations as tables: the tuples, the question, the answer."""

from __future__ import annotations

import pytest
from tests.rules.relations.memory import answered, tuples

from remit_server.rules.relations.check import DEEPEST, Asker, check
from remit_server.rules.relations.model import Model, compiled, parse
from remit_server.rules.relations.solving import TooComplex
from remit_server.rules.relations.tuples import RelationTuple

DRIVE = """
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
    define owner: [user]
    define blocked: [user, user:*, group#member]
    define editor: [user, group#member] or owner
    define viewer: ([user, user:*] or editor or viewer from parent) but not blocked
    define signer: editor and viewer
    define public: [user:*]
"""


def answer(model: Model, stored: list[RelationTuple], asked: str) -> tuple[bool, int]:
    """The answer, and how many times something had to be read."""
    object_, relation, subject = asked.split()
    [verdict], reads = answered(check(model, Asker(subject), [(object_, relation)]), stored)
    if not isinstance(verdict, bool):
        raise verdict
    return verdict, reads


@pytest.mark.parametrize(
    ("stored", "asked", "expected"),
    [
        # direct
        (["document:1 viewer user:ada"], "document:1 viewer user:ada", True),
        (["document:1 viewer user:ada"], "document:1 viewer user:bob", False),
        (["document:1 viewer user:ada"], "document:2 viewer user:ada", False),
        (["document:1 viewer user:ada"], "document:1 editor user:ada", False),
        ([], "document:1 viewer user:ada", False),
        # computed
        (["document:1 owner user:ada"], "document:1 viewer user:ada", True),
        # usersets, nested
        (["document:1 editor group:a#member", "group:a member user:ada"], "document:1 viewer user:ada", True),
        (["document:1 editor group:a#member", "group:b member user:ada"], "document:1 viewer user:ada", False),
        (
            ["document:1 editor group:a#member", "group:a member group:b#member", "group:b member user:ada"],
            "document:1 viewer user:ada",
            True,
        ),
        # a userset is asked about
        (["document:1 editor group:a#member"], "document:1 viewer group:a#member", True),
        (
            ["document:1 editor group:a#member", "group:a member group:b#member"],
            "document:1 viewer group:b#member",
            True,
        ),
        (["document:1 editor group:a#member"], "document:1 viewer group:b#member", False),
        ([], "group:a member group:a#member", True),
        # wildcards
        (["document:1 viewer user:*"], "document:1 viewer user:ada", True),
        (["document:1 viewer user:*"], "document:1 viewer user:*", True),
        (["document:1 viewer user:*"], "document:1 viewer group:a#member", False),
        (["document:1 viewer user:ada"], "document:1 viewer user:*", False),
        (["document:1 editor group:a#member", "group:a member user:*"], "document:1 viewer user:ada", True),
        # from, more than one level up
        (["document:1 parent folder:x", "folder:x viewer user:ada"], "document:1 viewer user:ada", True),
        (
            ["document:1 parent folder:x", "folder:x parent folder:y", "folder:y viewer group:a#member",
             "group:a member user:ada"],
            "document:1 viewer user:ada",
            True,
        ),
        (["document:1 parent folder:x", "folder:y viewer user:ada"], "document:1 viewer user:ada", False),
        # but not
        (["document:1 viewer user:ada", "document:1 blocked user:ada"], "document:1 viewer user:ada", False),
        (["document:1 viewer user:ada", "document:1 blocked user:*"], "document:1 viewer user:ada", False),
        (["document:1 viewer user:*", "document:1 blocked user:bob"], "document:1 viewer user:ada", True),
        (
            ["document:1 viewer user:ada", "document:1 blocked group:a#member", "group:a member user:ada"],
            "document:1 viewer user:ada",
            False,
        ),
        # and
        (["document:1 editor user:ada"], "document:1 signer user:ada", True),
        (["document:1 editor user:ada", "document:1 blocked user:ada"], "document:1 signer user:ada", False),
        (["document:1 viewer user:ada"], "document:1 signer user:ada", False),
        # cycles grant nothing, and end
        (["group:a member group:b#member", "group:b member group:a#member"], "group:a member user:ada", False),
        (
            ["group:a member group:b#member", "group:b member group:a#member", "group:b member user:ada"],
            "group:a member user:ada",
            True,
        ),
        (["folder:x parent folder:x"], "folder:x viewer user:ada", False),
        # tuples that the model does not take count for nothing
        (["document:1 owner group:a#member", "group:a member user:ada"], "document:1 viewer user:ada", False),
        (["document:1 owner user:*"], "document:1 viewer user:ada", False),
        (["document:1 parent group:a", "group:a viewer user:ada"], "document:1 viewer user:ada", False),
        (["document:1 public user:ada"], "document:1 public user:ada", False),
    ],
)  # fmt: skip
def test_check(stored: list[str], asked: str, expected: bool) -> None:
    assert answer(compiled(parse(DRIVE)), tuples(*stored), asked)[0] is expected


AROUND = """
model
  schema 1.1
type user
type thing
  relations
    define near: [thing]
    define likes: [user] but not hates
    define hates: [user] or dislikes from near
    define dislikes: [user] but not loves
    define loves: [user] or likes from near
    define calm: [user] but not worse
    define worse: [user] or calm from near
"""


@pytest.mark.parametrize(
    ("stored", "asked", "expected"),
    [
        # a subtraction that depends on itself is no ground for a yes
        (
            ["thing:1 near thing:1", "thing:1 likes user:ada", "thing:1 dislikes user:ada"],
            "thing:1 likes user:ada",
            False,
        ),
        (["thing:1 near thing:1", "thing:1 likes user:ada"], "thing:1 likes user:ada", True),
        (["thing:1 calm user:ada", "thing:1 near thing:1"], "thing:1 calm user:ada", False),
        (
            ["thing:1 calm user:ada", "thing:1 near thing:2", "thing:2 calm user:ada", "thing:2 near thing:3",
             "thing:3 calm user:ada"],
            "thing:1 calm user:ada",
            True,
        ),
        (["thing:1 calm user:ada", "thing:1 near thing:2", "thing:2 calm user:ada"], "thing:1 calm user:ada", False),
    ],
)  # fmt: skip
def test_subtraction_is_final_before_it_counts(stored: list[str], asked: str, expected: bool) -> None:
    assert answer(compiled(parse(AROUND)), tuples(*stored), asked)[0] is expected


def test_a_level_is_read_at_once() -> None:
    stored = [f"document:1 editor group:{n}#member" for n in range(50)]
    stored += [f"group:{n} member group:all#member" for n in range(50)] + ["group:all member user:ada"]
    assert answer(compiled(parse(DRIVE)), tuples(*stored), "document:1 viewer user:ada") == (True, 3)


def test_an_answer_that_stands_is_not_read_on() -> None:
    stored = tuples("document:1 editor group:0#member", "document:1 editor user:ada", "group:0 member group:1#member")
    assert answer(compiled(parse(DRIVE)), stored, "document:1 editor user:ada") == (True, 1)
    blocked = tuples("document:1 editor group:0#member", "document:1 blocked user:ada")
    assert answer(compiled(parse(DRIVE)), blocked, "document:1 viewer user:ada") == (False, 1)


def test_depth_is_bounded_and_says_so() -> None:
    chain = [f"group:{n} member group:{n + 1}#member" for n in range(DEEPEST + 1)]
    with pytest.raises(TooComplex):
        answer(compiled(parse(DRIVE)), tuples(*chain), "group:0 member user:ada")
    assert answer(compiled(parse(DRIVE)), tuples(*chain, "group:9 member user:ada"), "group:0 member user:ada")[0]
