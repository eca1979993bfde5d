"""Small worlds from a seed: a model whose relations refer to one another in every way, cycles included, and tuples. What one
verb says of a world must fit what another says of it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from remit_server.rules.relations.conditions import Condition, compiled
from remit_server.rules.relations.model import (
    AllOf,
    AnyOf,
    ButNot,
    Computed,
    Direct,
    Expression,
    From,
    Model,
    Relation,
    Restriction,
)
from remit_server.rules.relations.tuples import RelationTuple

OBJECTS: Final = tuple(f"{type_}:{id_}" for type_ in ("group", "doc") for id_ in range(3))
NAMES: Final = ("a", "b", "c")
SUBJECTS: Final = ("user:x", "user:y", "user:nobody", "user:*", "group:0#a", "doc:1#b")
_PARAMETERS: Final[dict[str, Any]] = {"x": {"type_name": "TYPE_NAME_INT"}}


def _conditions() -> dict[str, Condition]:
    """`met` is, `unmet` is not, and `unsaid` cannot be told."""
    texts = {"met": "x < 1 || true", "unmet": "x < 1 && false", "unsaid": "x < 1"}
    return {name: compiled(name, text, _PARAMETERS) for name, text in texts.items()}


CONDITIONS: Final = _conditions()
STATED: Final = '{"x": 1}'
"""The context of a tuple whose condition is to be told."""


class World(NamedTuple):
    model: Model
    stored: list[RelationTuple]


def worlds(seeds: range) -> Iterator[World]:
    for seed in seeds:
        chance = random.Random(seed)
        conditions = ["", "", "met", "unmet", *(["unsaid"] if seed % 3 == 0 else [])]
        model = _model(chance, conditions)
        yield World(model, list(_tuples(chance, model)))


def _model(chance: random.Random, conditions: list[str]) -> Model:
    types: dict[str, dict[str, Relation]] = {"user": {}}
    for type_ in ("group", "doc"):
        parents = {Restriction(chance.choice(["group", "doc"]), condition=chance.choice(conditions)) for _ in range(2)}
        types[type_] = {"parent": Relation(Direct(), tuple(sorted(parents)))}
        for name in NAMES:
            expression = _expression(chance, 2)
            if chance.random() < 0.5:
                expression = AnyOf((Direct(), expression))
            takes = {
                Restriction("user"),
                *chance.sample(
                    [
                        Restriction("user", wildcard=True),
                        Restriction("group", chance.choice(NAMES)),
                        Restriction("doc", chance.choice(NAMES)),
                        Restriction("user", condition=chance.choice(conditions)),
                    ],
                    2,
                ),
            }
            types[type_][name] = Relation(expression, tuple(sorted(takes)))
    return Model(types, CONDITIONS)


def _expression(chance: random.Random, depth: int) -> Expression:
    kind = chance.random() if depth else 0
    if kind < 0.45:
        return chance.choice([Direct(), Computed(chance.choice(NAMES)), From(chance.choice(NAMES), "parent")])
    parts = tuple(_expression(chance, depth - 1) for _ in range(chance.choice([2, 2, 3])))
    return AnyOf(parts) if kind < 0.7 else AllOf(parts) if kind < 0.85 else ButNot(parts[0], parts[1])


def _tuples(chance: random.Random, model: Model) -> Iterator[RelationTuple]:
    seen = set()
    for _ in range(chance.choice([6, 12, 20])):
        object_, name = chance.choice(OBJECTS), chance.choice([*NAMES, "parent", "parent"])
        kind = chance.choice(model.types[object_.partition(":")[0]][name].takes)
        id_ = "*" if kind.wildcard else chance.choice("xy" if kind.type == "user" else "012")
        subject = f"{kind.type}:{id_}#{kind.relation}".removesuffix("#")
        if (object_, name, subject) not in seen:
            seen.add((object_, name, subject))
            stated = STATED if kind.condition in {"met", "unmet"} else ""
            yield RelationTuple(object_, name, subject, kind.condition, stated)
