"""Models and tuples made to take long: what is asked of them ends soon, with an answer or an error that says why."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import pytest
from tests.ledger import proves
from tests.rules.relations.memory import answered, tuples

from remit_server.errors import InvalidRequest
from remit_server.rules.relations.check import Asker, Question, check
from remit_server.rules.relations.facts import Steps
from remit_server.rules.relations.list_objects import list_objects
from remit_server.rules.relations.list_users import Sought, list_users
from remit_server.rules.relations.model import compiled, parse
from remit_server.rules.relations.solving import TooComplex
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.rules.relations.why import why

Json = dict[str, Any]
MANY: Final = 2000
SECONDS: Final = 5
"""Of this process. What these tests are against takes minutes, or longer than anybody lives."""


def _same(number: int, name: str = "r") -> Json:
    return {"computedUserset": {"relation": f"{name}{number}"}}


def _joined(operator: str, *parts: Json) -> Json:
    return {operator: {"child": list(parts)}}


def _less(base: Json, taken: Json) -> Json:
    return {"difference": {"base": base, "subtract": taken}}


STEPS: Final[dict[str, Callable[[int], Json]]] = {
    "each from the next": lambda number: _same(number + 1),
    "two ways at each": lambda number: _joined("union", _same(number + 1), _same(number + 1, "s")),
    "and": lambda number: _joined("intersection", _same(number + 1), _same(number + 1, "s")),
    "but not": lambda number: _less(_same(number + 1), _same(number + 1, "s")),
}


def _model(step: Callable[[int], Json], *, backwards: bool, usersets: bool) -> Json:
    """Relations r and s of which each follows from the next."""
    end = MANY // (4 if usersets else 1) // 2
    relations = {f"{name}{number}": step(number) for name in "rs" for number in range(end)}
    relations |= {f"{name}{end}": {"this": {}} for name in "rs"}
    relations["top"] = _joined("intersection", _same(0), _same(0, "s"))
    if backwards:
        relations = dict(reversed(relations.items()))
    taken = [{"type": "user"}, *({"type": "thing", "relation": name} for name in relations if usersets)]
    taking = {f"{name}{end}": {"directly_related_user_types": taken} for name in "rs"}
    thing = {"type": "thing", "relations": relations, "metadata": {"relations": taking}}
    return {"schema_version": "1.1", "type_definitions": [{"type": "user"}, thing]}


@proves("relations.models-in-linear-time")
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("usersets", [False, True])
def test_no_model_makes_a_question_take_long(step: Callable[[int], Json], backwards: bool, usersets: bool) -> None:
    model, asker = compiled(_model(step, backwards=backwards, usersets=usersets)), Asker("user:ada")
    begun = time.process_time()
    answered(check(model, asker, [("thing:1", "top")]), [])
    answered(list_objects(model, asker, "thing", "top"), [])
    answered(list_users(model, Sought("thing:1", "top", "user")), [])
    assert time.process_time() - begun < SECONDS


THING = compiled(
    parse("""
model
  schema 1.1
type user
type thing
  relations
    define near: [thing]
    define calm: [user] but not worse
    define worse: [user] or calm from near
    define last: calm from near
    define member: [user, thing#member]
    define blocked: [user]
    define guest: member but not blocked
""")
)


def _ended(steps: Steps[Any], stored: list[RelationTuple]) -> Any:
    """The answer or the error, in time."""
    begun = time.process_time()
    try:
        return answered(steps, stored)[0]
    except InvalidRequest as error:
        return error
    finally:
        assert time.process_time() - begun < SECONDS


def test_subtractions_of_subtractions_are_solved_for_so_long() -> None:
    """A row of things, each calm unless the next one is, and one that is near to all: shallow, and solved from the far end."""
    row = [f"thing:{n} near thing:{n + 1}" for n in range(4000)] + [f"thing:root near thing:{n}" for n in range(4000)]
    stored = tuples(*row, *(f"thing:{n} calm user:ada" for n in range(4000)))
    asked = [("thing:root", "last"), ("thing:0", "calm"), ("thing:3999", "calm"), ("thing:0", "near")]
    yes, between, far, no = _ended(check(THING, Asker("user:ada"), asked), stored)
    assert (yes, far, no) == (True, True, False), "what is known by then is known"
    assert isinstance(between, TooComplex)
    assert _ended(why(THING, Question("user:ada", "last", "thing:root")), stored).outcome == "yes"
    assert isinstance(_ended(list_users(THING, Sought("thing:root", "last", "user")), stored), TooComplex)


@pytest.mark.parametrize("backwards", [False, True])
def test_groups_within_groups_are_put_together_for_so_long(backwards: bool) -> None:
    """Each has a member of its own and all of the next, so each is another set: a billion members in all."""
    row = [f"thing:{n} member thing:{n + 1}#member" for n in range(20_000)]
    stored = tuples(*row, *(f"thing:{n} member user:{n}" for n in range(20_000)))
    stored += tuples(*(f"thing:root member thing:{n}#member" for n in range(20_000)))
    if backwards:
        stored.reverse()
    assert isinstance(_ended(list_users(THING, Sought("thing:root", "guest", "user")), stored), TooComplex)


def test_a_large_group_in_many_is_one_set() -> None:
    row = [f"thing:{n} member thing:all#member" for n in range(1000)]
    stored = tuples(*row, *(f"thing:root member thing:{n}#member" for n in range(1000)))
    stored += tuples(*(f"thing:all member user:{n}" for n in range(50_000)), "thing:root blocked user:7")
    listed = _ended(list_users(THING, Sought("thing:root", "guest", "user")), stored)
    assert (len(listed.found), listed.partial) == (49_999, False)
