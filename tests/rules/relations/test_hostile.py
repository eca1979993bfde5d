"""Models and tuples made to take long: what is asked of them ends soon, with an answer or an error that says why."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import pytest
from tests.ledger import proves
from tests.rules.relations.memory import answered

from remit_server.rules.relations.check import Asker, check
from remit_server.rules.relations.list_objects import list_objects
from remit_server.rules.relations.list_users import Sought, list_users
from remit_server.rules.relations.model import compiled

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
