"""A case: a model, tuples, and questions, all from one seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from remit_server.errors import ConfigurationError
from remit_server.rules.relations.model import Model, compiled
from remit_server.rules.relations.tuples import RelationTuple, judge, kind_of
from remit_server.rules.relations.writing import written

Json = dict[str, Any]


class Check(NamedTuple):
    user: str
    relation: str
    object: str
    context: str


class ListObjects(NamedTuple):
    user: str
    relation: str
    type: str
    context: str


class ListUsers(NamedTuple):
    object: str
    relation: str
    kind: str
    context: str


Question = Check | ListObjects | ListUsers


@dataclass(frozen=True)
class Case:
    model: Json
    tuples: tuple[RelationTuple, ...]
    questions: tuple[Question, ...]


CONDITIONS: Final[Json] = {
    "young": {"name": "young", "expression": "age < 18", "parameters": {"age": {"type_name": "TYPE_NAME_INT"}}},
    "inside": {
        "name": "inside",
        "expression": "place in places || age > 60",
        "parameters": {
            "age": {"type_name": "TYPE_NAME_INT"},
            "place": {"type_name": "TYPE_NAME_STRING"},
            "places": {"type_name": "TYPE_NAME_LIST", "generic_types": [{"type_name": "TYPE_NAME_STRING"}]},
        },
    },
}
"""They share a parameter, so that a context can satisfy one, both or neither."""
TOLD: Final = {
    "young": ('{"age": 1}', '{"age": 30}', ""),
    "inside": ('{"places": ["here"]}', '{"places": ["here"], "age": 70}', '{"place": "there", "places": [], "age": 1}', ""),
}  # fmt: skip
ASKED: Final = ("{}", '{"age": 9}', '{"age": 40, "place": "here"}', '{"age": 9, "place": "there", "places": ["there"]}')

TYPES: Final = ("group", "folder", "doc")
NAMES: Final = ("a", "b", "c", "d")
USERS: Final = ("user:x", "user:y", "robot:x")
IDS: Final = "12"


def case(seed: object) -> Case:
    """The same for the same seed."""
    made = random.Random(str(seed))
    while True:
        model = _Making(made).model()
        try:
            ready = compiled(model)
            written(model)
        except ConfigurationError:
            continue
        tuples = _tuples(made, ready)
        return Case(model, tuples, _questions(made, ready))


class _Making:
    def __init__(self, made: random.Random) -> None:
        self._made = made
        self._types = TYPES[: made.randint(1, len(TYPES))]
        self._names = {type_: NAMES[: made.randint(1, len(NAMES))] for type_ in self._types}
        self._conditions = list(CONDITIONS) if made.random() < 0.5 else []
        self._wild = made.random() < 0.5
        self._deep = made.choice((0, 1, 1, 2, 3))

    def model(self) -> Json:
        parents = {type_: self._parents() for type_ in self._types}
        definitions: list[Json] = [{"type": "user"}, {"type": "robot"}]
        used: set[str] = set()
        for type_ in self._types:
            relations: Json = {"parent": {"this": {}}}
            taken: Json = {"parent": {"directly_related_user_types": parents[type_]}}
            for name in self._names[type_]:
                relations[name] = self._expression(type_, name, parents[type_], self._deep)
                direct = self._restrictions() if '"this"' in json.dumps(relations[name]) else []
                taken[name] = {"directly_related_user_types": direct}
            used |= {each["condition"] for about in taken.values()
                     for each in about["directly_related_user_types"] if "condition" in each}  # fmt: skip
            definitions.append({"type": type_, "relations": relations, "metadata": {"relations": taken}})
        conditions = {name: CONDITIONS[name] for name in sorted(used)}
        return {"schema_version": "1.1", "type_definitions": definitions, "conditions": conditions}

    def _expression(self, type_: str, name: str, parents: list[Json], deep: int, *, first: bool = True) -> Json:
        """The language says a direct relation once, and before all else; so only the first leaf may be one."""
        made = self._made
        if deep == 0 or made.random() < 0.2:
            return self._leaf(type_, name, parents, first=first)
        kind = made.choice(("union", "union", "intersection", "difference"))
        parts = [
            self._expression(type_, name, parents, deep - 1, first=first and place == 0)
            for place in range(2 if kind == "difference" else made.randint(2, 3))
        ]
        if kind == "difference":
            return {"difference": {"base": parts[0], "subtract": parts[1]}}
        return {kind: {"child": parts}}

    def _leaf(self, type_: str, name: str, parents: list[Json], *, first: bool) -> Json:
        made = self._made
        if first and made.random() < 0.8:
            return {"this": {}}
        if made.random() < 0.5 and len(self._names[type_]) > 1:
            return {"computedUserset": {"relation": made.choice([each for each in self._names[type_] if each != name])}}
        relation = made.choice(self._names[made.choice(parents)["type"]])
        return {"tupleToUserset": {"tupleset": {"relation": "parent"}, "computedUserset": {"relation": relation}}}

    def _parents(self) -> list[Json]:
        types = self._made.sample(self._types, self._made.randint(1, len(self._types)))
        return [self._maybe_conditioned({"type": type_}) for type_ in types]

    def _restrictions(self) -> list[Json]:
        made = self._made
        found: list[Json] = []
        for _ in range(made.randint(1, 3)):
            chance = made.random()
            if chance < 0.45:
                one: Json = {"type": made.choice(("user", "user", "robot"))}
            elif chance < 0.6 and self._wild:
                one = {"type": made.choice(("user", "user", "robot")), "wildcard": {}}
            elif chance < 0.93:
                type_ = made.choice(self._types)
                one = {"type": type_, "relation": made.choice(self._names[type_])}
            else:
                one = {"type": made.choice(self._types)}
            one = self._maybe_conditioned(one)
            if one not in found:
                found.append(one)
        return found

    def _maybe_conditioned(self, restriction: Json) -> Json:
        if self._conditions and self._made.random() < 0.3:
            return {**restriction, "condition": self._made.choice(self._conditions)}
        return restriction


def _tuples(made: random.Random, model: Model) -> tuple[RelationTuple, ...]:
    places = [(type_, name, each) for type_, relations in model.types.items()
              for name, relation in relations.items() for each in relation.takes]  # fmt: skip
    found: dict[tuple[str, str, str], RelationTuple] = {}
    for _ in range(made.choice((3, 6, 9, 12, 16, 20))):
        type_, name, restriction = made.choice(places)
        subject = f"{restriction.type}:{'*' if restriction.wildcard else made.choice(_ids(restriction.type))}"
        subject += f"#{restriction.relation}" if restriction.relation else ""
        told = made.choice(TOLD[restriction.condition]) if restriction.condition else ""
        one = RelationTuple(f"{type_}:{made.choice(IDS)}", name, subject, restriction.condition, told)
        if one.subject != f"{one.object}#{one.relation}" and judge(model, one) is None:
            found[one.key] = one
    return tuple(found.values())


def _ids(type_: str) -> str:
    return "xy" if type_ == "user" else "x" if type_ == "robot" else IDS


def _questions(made: random.Random, model: Model) -> tuple[Question, ...]:
    nodes = [(f"{type_}:{id_}", name) for type_, relations in model.types.items() for name in relations for id_ in IDS]
    usersets = [f"{object_}#{name}" for object_, name in nodes]
    kinds = ["user", "user", "robot", *sorted({kind_of(each) for each in usersets})]
    contexts = ASKED if model.conditions else ASKED[:1]
    questions: list[Question] = []
    for _ in range(14):
        object_, relation = made.choice(nodes)
        user = made.choice((*USERS, *USERS, "user:*", made.choice(usersets), made.choice(usersets), "folder:1"))
        if user.partition(":")[0] in model.types:
            questions.append(Check(user, relation, object_, made.choice(contexts)))
    for _ in range(5):
        object_, relation = made.choice(nodes)
        user = made.choice((*USERS, *USERS, "user:*", made.choice(usersets)))
        questions.append(ListObjects(user, relation, object_.partition(":")[0], made.choice(contexts)))
    for _ in range(5):
        object_, relation = made.choice(nodes)
        questions.append(ListUsers(object_, relation, made.choice(kinds), made.choice(contexts)))
    return tuple(dict.fromkeys(questions))


def smaller(one: Case) -> Iterator[Case]:
    """Cases with a little less: without a tuple, a relation, a type, a restriction, or a part of an expression."""
    for place in range(len(one.tuples)):
        yield replace(one, tuples=one.tuples[:place] + one.tuples[place + 1 :])
    for model in _smaller_models(one.model):
        try:
            ready = compiled(model)
        except ConfigurationError:
            continue
        if all(judge(ready, each) is None for each in one.tuples):
            yield replace(one, model=model)


def _smaller_models(model: Json) -> Iterator[Json]:
    definitions = model["type_definitions"]
    for place, definition in enumerate(definitions):
        rest = [*definitions[:place], *definitions[place + 1 :]]
        yield {**model, "type_definitions": rest}
        for name, body in definition.get("relations", {}).items():
            for relations, taken in _smaller_relations(definition, name, body):
                smaller = {**definition, "relations": relations, "metadata": {"relations": taken}}
                yield {**model, "type_definitions": [*definitions[:place], smaller, *definitions[place + 1 :]]}
    used = json.dumps(definitions)
    for name in model["conditions"]:
        if f'"condition": "{name}"' not in used:
            yield {**model, "conditions": {each: value for each, value in model["conditions"].items() if each != name}}


def _smaller_relations(definition: Json, name: str, body: Json) -> Iterator[tuple[Json, Json]]:
    relations, taken = definition["relations"], definition["metadata"]["relations"]
    yield (
        {each: value for each, value in relations.items() if each != name},
        {each: value for each, value in taken.items() if each != name},
    )
    direct = taken[name]["directly_related_user_types"]
    for place in range(len(direct)):
        rest = [*direct[:place], *direct[place + 1 :]]
        if rest:
            yield relations, {**taken, name: {"directly_related_user_types": rest}}
    for less in _smaller_bodies(body):
        kept = direct if '"this"' in json.dumps(less) else []
        yield {**relations, name: less}, {**taken, name: {"directly_related_user_types": kept}}


def _smaller_bodies(body: Json) -> Iterator[Json]:
    ((kind, value),) = body.items()
    if kind == "difference":
        yield value["base"]
        yield value["subtract"]
        for side in ("base", "subtract"):
            for less in _smaller_bodies(value[side]):
                yield {kind: {**value, side: less}}
    elif kind in {"union", "intersection"}:
        yield from value["child"]
        for place, child in enumerate(value["child"]):
            rest = [*value["child"][:place], *value["child"][place + 1 :]]
            if len(rest) > 1:
                yield {kind: {"child": rest}}
            for less in _smaller_bodies(child):
                yield {kind: {"child": [*value["child"][:place], less, *value["child"][place + 1 :]]}}
