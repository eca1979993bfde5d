"""What is asked in different ways is answered alike, for models and tuples that nobody has thought of: many questions at once and
each alone, lists and checks, tuples stored and brought along. What is right is said by `Plain`, slowly."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple, TypeVar

from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from tests.conformance.fuzz.plainly import Plain
from tests.rules.relations.memory import answered

from remit_server.errors import ConfigurationError, InvalidRequest
from remit_server.rules.relations.check import SINGLE, Asker, Node, Verdict, check
from remit_server.rules.relations.conditions import Unevaluable
from remit_server.rules.relations.facts import FEW, Contextual, Steps
from remit_server.rules.relations.list_objects import list_objects
from remit_server.rules.relations.list_users import Sought, list_users
from remit_server.rules.relations.model import Model, Restriction, compiled
from remit_server.rules.relations.tuples import RelationTuple, kind_of

T = TypeVar("T")

Json = dict[str, Any]
TYPES: Final = ("group", "doc")
NAMES: Final = ("a", "b", "c", "d")
OBJECTS: Final = tuple(f"{type_}:{number}" for type_ in TYPES for number in range(3))
NODES: Final = tuple((object_, name) for object_ in OBJECTS for name in NAMES)
KINDS: Final = {
    "user": ("user:x", "user:y", "user:nobody", "user:*"),
    **{
        f"{type_}#{name}": tuple(f"{type_}:{number}#{name}" for number in range(3)) for type_ in TYPES for name in NAMES
    },
}
SUBJECTS: Final = (*KINDS["user"], "group:0#a", "group:1#b", "doc:0#c")
CONDITION: Final = {
    "name": "low", "expression": "n < 5", "parameters": {"n": {"type_name": "TYPE_NAME_INT"}}
}  # fmt: skip
CONTEXTS: Final[tuple[Json, ...]] = ({}, {"n": 1}, {"n": 9})
assert len(NODES) > SINGLE


class World(NamedTuple):
    model: Model
    tuples: list[RelationTuple]
    """Those that hold."""
    stored: list[RelationTuple]
    brought: Contextual
    context: Json
    subjects: list[str]
    nodes: list[Node]
    """Some of all, to ask about."""
    few: int
    """As `FEW`, for storage."""

    def told(self, one: RelationTuple) -> bool:
        """Whether its condition, if it has one, can be evaluated."""
        return not one.condition or bool(one.context) or bool(self.context)

    def asker(self, subject: str) -> Asker:
        return Asker(subject, self.brought, self.context)

    def answered(self, steps: Steps[T]) -> T:
        return answered(steps, self.stored, few=self.few)[0]

    def check(self, subject: str, *nodes: Node) -> list[Verdict]:
        return self.answered(check(self.model, self.asker(subject), nodes))


def expressions(name: str) -> st.SearchStrategy[Json]:
    """Of a relation: a relation of the same object comes before it, so that none follows from itself without any tuple."""
    this = st.just({"this": {}})
    along = st.sampled_from(NAMES).map(
        lambda other: {"tupleToUserset": {"tupleset": {"relation": "parent"}, "computedUserset": {"relation": other}}}
    )
    before = NAMES[: NAMES.index(name)]
    computed = st.sampled_from(before).map(lambda other: {"computedUserset": {"relation": other}}) if before else this
    return st.recursive(
        st.one_of(this, along, computed, computed),
        lambda inner: st.one_of(
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: {"union": {"child": parts}}),
            st.lists(inner, min_size=2, max_size=2).map(lambda parts: {"intersection": {"child": parts}}),
            st.tuples(inner, inner).map(lambda pair: {"difference": {"base": pair[0], "subtract": pair[1]}}),
        ),
        max_leaves=4,
    )


RESTRICTIONS: Final = st.lists(
    st.sampled_from(
        [
            {"type": "user"}, {"type": "user"}, {"type": "user", "wildcard": {}}, {"type": "user", "condition": "low"},
            *({"type": type_, "relation": name} for type_ in TYPES for name in NAMES),
            *({"type": type_, "relation": "a", "condition": "low"} for type_ in TYPES),
        ]
    ),
    min_size=1, max_size=4, unique_by=lambda each: json.dumps(each, sort_keys=True),
)  # fmt: skip


def _direct(expression: Json) -> bool:
    return '"this"' in json.dumps(expression)


@st.composite
def models(draw: st.DrawFn) -> Json:
    types: list[Json] = [{"type": "user"}]
    for type_ in TYPES:
        parents = draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=2, unique=True))
        relations: Json = {"parent": {"this": {}}}
        taken: Json = {"parent": {"directly_related_user_types": [{"type": each} for each in parents]}}
        for name in NAMES:
            relations[name] = draw(expressions(name))
            if _direct(relations[name]):
                taken[name] = {"directly_related_user_types": draw(RESTRICTIONS)}
        types.append({"type": type_, "relations": relations, "metadata": {"relations": taken}})
    return {"schema_version": "1.1", "type_definitions": types, "conditions": {"low": CONDITION}}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    try:
        model = compiled(draw(models()))
    except ConfigurationError:
        reject()
    tuples = {one.key: one for one in draw(st.lists(_tuples(model), min_size=4, max_size=20))}
    places = draw(st.lists(st.sampled_from(("stored", "brought", "over")), min_size=len(tuples), max_size=len(tuples)))
    brought = [one for one, place in zip(tuples.values(), places, strict=True) if place != "stored"]
    stored = [one if place == "stored" else one._replace(condition="low", context='{"n": 9}')
              for one, place in zip(tuples.values(), places, strict=True) if place != "brought"]  # fmt: skip
    context, few = draw(st.sampled_from(CONTEXTS)), draw(st.sampled_from((0, 1, FEW)))
    subjects = draw(st.lists(st.sampled_from(SUBJECTS), min_size=3, max_size=3, unique=True))
    nodes = draw(st.lists(st.sampled_from(NODES), min_size=4, max_size=4, unique=True))
    return World(model, [*tuples.values()], stored, Contextual(brought), context, subjects, nodes, few)


def _tuples(model: Model) -> st.SearchStrategy[RelationTuple]:
    taking = [(object_, name, each) for object_ in OBJECTS
              for name, relation in model.types[kind_of(object_)].items() for each in relation.takes]  # fmt: skip

    def made(one: tuple[str, str, Restriction], id_: int, context: str) -> RelationTuple:
        object_, name, takes = one
        who = "*" if takes.wildcard else "xyx"[id_] if takes.type == "user" else str(id_)
        subject = f"{takes.type}:{who}#{takes.relation}".removesuffix("#")
        return RelationTuple(object_, name, subject, takes.condition, context if takes.condition else "")

    stated = st.sampled_from(("", '{"n": 1}', '{"n": 9}'))
    return st.builds(made, st.sampled_from(taking), st.integers(0, 2), stated)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_every_way_of_asking_agrees(world: World) -> None:
    _many_questions_are_answered_as_each_alone(world)
    _check_says_what_the_tuples_mean(world)
    _objects_are_listed_where_check_says_yes(world)
    _users_are_listed_where_check_says_yes(world)


def _many_questions_are_answered_as_each_alone(world: World) -> None:
    for subject in world.subjects:
        assert _said(world.check(subject, *NODES)) == _said([world.check(subject, node)[0] for node in NODES])


def _check_says_what_the_tuples_mean(world: World) -> None:
    if not all(world.told(one) for one in world.tuples):
        return
    plain = Plain(world.model, world.tuples, json.dumps(world.context))
    for subject in world.subjects:
        assert world.check(subject, *NODES) == [plain.check(subject, name, object_) for object_, name in NODES]


def _objects_are_listed_where_check_says_yes(world: World) -> None:
    for subject in world.subjects:
        for type_, name in ((type_, name) for type_ in TYPES for name in NAMES):
            nodes = [(object_, name) for object_ in OBJECTS if kind_of(object_) == type_]
            expected = _said(verdicts := world.check(subject, *nodes))
            try:
                listed = world.answered(list_objects(world.model, world.asker(subject), type_, name))
            except Unevaluable:
                assert Unevaluable.code in expected
                continue
            assert not listed.partial
            assert listed.found == [
                object_ for (object_, _), verdict in zip(nodes, verdicts, strict=True) if verdict is True
            ]
            assert Unevaluable.code not in expected


def _users_are_listed_where_check_says_yes(world: World) -> None:
    for object_, name in world.nodes:
        for kind, subjects in KINDS.items():
            try:
                listed = world.answered(
                    list_users(world.model, Sought(object_, name, kind, world.brought, world.context))
                )
            except Unevaluable:
                assert not all(world.told(one) for one in world.tuples)
                continue
            everybody = f"{kind}:*" in listed.found
            for subject in subjects:
                (verdict,) = world.check(subject, (object_, name))
                if everybody and subject in {"user:x", "user:y"}:  # an exception is nowhere to be seen
                    assert verdict or subject not in listed.found
                else:
                    assert verdict is (subject in listed.found or (everybody and subject == "user:nobody"))


def _said(verdicts: list[Verdict]) -> list[bool | str]:
    return [verdict.code if isinstance(verdict, InvalidRequest) else verdict for verdict in verdicts]
