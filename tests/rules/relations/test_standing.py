"""Many questions about one subject, which are answered from where it stands: the same answers as one by one."""

from __future__ import annotations

import gc
from typing import TypeVar

import pytest
from tests.rules.relations.memory import answered, tuples

from remit_server.rules.relations.check import SINGLE, Asker, check
from remit_server.rules.relations.facts import FEW, Few, Need, Steps
from remit_server.rules.relations.model import compiled, parse
from remit_server.rules.relations.solving import Gate

T = TypeVar("T")

MODEL = compiled(
    parse("""
model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
    define guest: member
type document
  relations
    define group: [group]
    define viewer: [user] or member from group
    define blocked: [group#guest]
    define open: [group#member] but not blocked
""")
)


def all_of(subject: str, asked: list[str], stored: list[str], few: int) -> list[bool]:
    """The verdicts on `document:1 viewer`, among as many other questions as it takes."""
    others = [f"document:other{number} viewer" for number in range(SINGLE)]
    nodes = [(object_, relation) for object_, relation in map(str.split, [*asked, *others])]
    verdicts, _ = answered(check(MODEL, Asker(subject), nodes), tuples(*stored), few)
    assert not any(verdicts[len(asked) :])
    return [verdict is True for verdict in verdicts[: len(asked)]]


@pytest.mark.parametrize("few", [0, 1, 1000])
def test_a_userset_stands_in_itself(few: int) -> None:
    """So it has what follows from itself, and is blocked where that is."""
    asked = ["group:a member", "group:a guest", "document:1 blocked", "document:1 open"]
    stored = ["document:1 open group:a#member", "document:1 blocked group:a#guest"]
    assert all_of("group:a#member", asked, stored, few) == [True, True, True, False]


@pytest.mark.parametrize("few", [0, 1, 2, 1000])
def test_where_few_turn_out_to_be_many_nothing_that_was_put_aside_is_forgotten(few: int) -> None:
    """The question about the group waits for the subject's side, which gives up after the document was found by another way."""
    stored = ["group:a member group:b#member", "group:c member group:b#member", "group:b member user:ada",
              "document:1 group group:a", "document:1 group group:b"]  # fmt: skip
    assert all_of("user:ada", ["group:a member", "document:1 viewer"], stored, few) == [True, True]


def test_who_stands_in_very_many_is_looked_for_from_the_other_side() -> None:
    """Each step is few, and what they come to is not: it would be read for every question, and be too much for any answer."""
    stored = [f"group:{n} member user:ada" for n in range(900)]
    stored += [f"group:{n}/{m} member group:{n}#member" for n in range(900) for m in range(25)]
    nodes = [*((f"group:{n}/0", "member") for n in range(SINGLE + 1)), ("group:none", "member")]
    asked: list[Need] = []
    verdicts, _ = answered(_noted(check(MODEL, Asker("user:ada"), nodes), asked), tuples(*stored))
    assert verdicts == [True] * (SINGLE + 1) + [False]
    assert sum(isinstance(need, Few) for need in asked) < 2 * FEW


def _noted(steps: Steps[T], asked: list[Need]) -> Steps[T]:
    try:
        wanted = next(steps)
        while True:
            asked += wanted
            wanted = steps.send((yield wanted))
    except StopIteration as end:
        return end.value


def test_what_the_subjects_side_tells_is_not_read_again() -> None:
    """The person's own tuples are enough for these documents: nobody looks at the groups that stand in them."""
    documents = [f"document:{number}" for number in range(SINGLE + 1)]
    stored = [f"{each} viewer user:ada" for each in documents] + [f"{each} group group:a" for each in documents]
    verdicts, reads = answered(
        check(MODEL, Asker("user:ada"), [(each, "viewer") for each in documents]), tuples(*stored)
    )
    assert (verdicts, reads) == ([True] * len(documents), 1)


def test_a_graph_that_is_told_needs_no_garbage_collector() -> None:
    nodes = [(f"document:{number}", relation) for number in range(20) for relation in ("viewer", "open")]
    stored = [f"document:{number} open group:a#member" for number in range(20)] + ["group:a member user:ada"]
    gc.collect()
    gc.disable()
    try:
        verdicts, _ = answered(check(MODEL, Asker("user:ada"), nodes), tuples(*stored))
        left = [each for each in gc.get_objects() if isinstance(each, Gate)]
    finally:
        gc.enable()
    assert verdicts == [False, True] * 20
    assert left == []
