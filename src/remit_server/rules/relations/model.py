"""Authorization models: what objects there are, which relations they have, and who can have them.

A model travels as JSON (the form of OpenFGA's API, either spelling of its member names) and is written in the modelling
language. `parse` reads the language, `compiled` makes of the JSON what the engine evaluates, and refuses a model that
could not mean anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from remit_server.errors import ConfigurationError
from remit_server.rules.relations import syntax
from remit_server.rules.relations.conditions import Condition
from remit_server.rules.relations.syntax import Place


@dataclass(frozen=True, slots=True)
class Direct:
    """Whoever a tuple names."""


@dataclass(frozen=True, slots=True)
class Computed:
    """Whoever has another relation to the same object."""

    relation: str


@dataclass(frozen=True, slots=True)
class From:
    """Whoever has `relation` to an object that `source` leads to: `viewer from parent`."""

    relation: str
    source: str


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class ButNot:
    base: Expression
    without: Expression


Expression = Direct | Computed | From | AnyOf | AllOf | ButNot


class Restriction(NamedTuple):
    """What a tuple may name: one kind of user, with one condition or without."""

    type: str
    relation: str = ""
    wildcard: bool = False
    condition: str = ""

    @property
    def kind(self) -> str:
        """`user`, `user:*` or `group#member`."""
        return f"{self.type}:*" if self.wildcard else f"{self.type}#{self.relation}" if self.relation else self.type

    def __str__(self) -> str:
        return f"{self.kind} with {self.condition}" if self.condition else self.kind


@dataclass(frozen=True, slots=True)
class Relation:
    expression: Expression
    takes: tuple[Restriction, ...] = ()
    kinds: Mapping[str, frozenset[str]] = field(init=False, compare=False)
    """Each kind that it takes, with the names of the conditions that it may carry; an empty name stands for none."""

    def __post_init__(self) -> None:
        kinds: dict[str, frozenset[str]] = {}
        for restriction in self.takes:
            kinds[restriction.kind] = kinds.get(restriction.kind, frozenset()) | {restriction.condition}
        object.__setattr__(self, "kinds", kinds)


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """Compiled once; the same only as itself, so that it can be a key."""

    types: Mapping[str, Mapping[str, Relation]]
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    schema_version: str = "1.1"

    def relation(self, kind: str, name: str) -> Relation | None:
        return self.types.get(kind, {}).get(name)


def parse(text: str) -> dict[str, Any]:
    """The JSON form of a model in the modelling language (schema 1.1; conditions and modules are refused).

    Raises `ConfigurationError`, whose `where` is `line:column` from 1, for a fault of syntax or meaning.
    """
    parsed = syntax.read(text)
    compiled(parsed.model, parsed.places)
    return parsed.model


def compiled(model: Mapping[str, Any], places: Mapping[Place, str] | None = None) -> Model:
    """A model, ready to evaluate. Raises `ConfigurationError`; `places` tell where in the text a fault lies."""
    places = places or {}
    types: dict[str, dict[str, Relation]] = {}
    for definition in _list(model, "type_definitions"):
        kind = _text(definition, "type")
        if kind in types:
            raise _wrong(f"the type `{kind}` is defined twice", places, (kind,))
        direct = (definition.get("metadata") or {}).get("relations") or {}
        types[kind] = {
            name: Relation(_expression(body), tuple(_takes(direct.get(name) or {})))
            for name, body in (definition.get("relations") or {}).items()
        }
    if not types:
        raise ConfigurationError("a model defines at least one type")
    built = Model(types)
    for place, fault in _faults(built):
        raise _wrong(fault, places, place)
    return built


def _expression(body: Mapping[str, Any], depth: int = 0) -> Expression:
    if not isinstance(body, Mapping) or len(body) != 1 or depth > syntax.DEEPEST:
        raise ConfigurationError("a relation has exactly one rewrite")
    ((operator, value),) = body.items()
    if operator == "this":
        return Direct()
    if operator in {"computedUserset", "computed_userset"}:
        return Computed(_text(value, "relation"))
    if operator in {"tupleToUserset", "tuple_to_userset"}:
        computed = value.get("computedUserset") or value.get("computed_userset") or {}
        return From(_text(computed, "relation"), _text(value.get("tupleset") or {}, "relation"))
    if operator in {"union", "intersection"}:
        parts = tuple(_expression(child, depth + 1) for child in _list(value, "child"))
        if not parts:  # the empty intersection would be everybody
            raise ConfigurationError(f"`{operator}` has no children")
        return AnyOf(parts) if operator == "union" else AllOf(parts)
    if operator == "difference":
        return ButNot(_expression(value.get("base"), depth + 1), _expression(value.get("subtract"), depth + 1))
    raise ConfigurationError(f"`{operator}` is not a rewrite")


def _takes(metadata: Mapping[str, Any]) -> Iterator[Restriction]:
    for restriction in metadata.get("directly_related_user_types") or metadata.get("directlyRelatedUserTypes") or ():
        if restriction.get("condition"):
            raise ConfigurationError("conditions are not supported")
        yield Restriction(
            _text(restriction, "type"), restriction.get("relation") or "", restriction.get("wildcard") is not None
        )  # fmt: skip


def _faults(model: Model) -> Iterator[tuple[Place, str]]:
    """What cannot mean anything, in the order of the model."""
    for kind, relations in model.types.items():
        for name, relation in relations.items():
            yield from _undefined(model, kind, name, relation)
    entered = _entered(model)
    for kind, relations in model.types.items():
        for name in relations:
            if (kind, name) not in entered:
                yield (kind, name), f"nobody can ever have `{name}`: no way into it leads to a type"


def _undefined(model: Model, kind: str, name: str, relation: Relation) -> Iterator[tuple[Place, str]]:
    seen: set[Restriction] = set()
    for taken in relation.takes:
        place = (kind, name, taken.kind)
        if taken.type not in model.types:
            yield place, f"the type `{taken.type}` is not defined"
        elif taken.relation and taken.relation not in model.types[taken.type]:
            yield place, f"`{taken.relation}` is not a relation of `{taken.type}`"
        if taken in seen:
            yield place, f"`{taken}` stands here twice"
        seen.add(taken)
    leaves = tuple(_leaves(relation.expression))
    if any(isinstance(leaf, Direct) for leaf in leaves) != bool(relation.takes):
        yield (kind, name), "a direct relation lists the types that it takes, and no other does"
    for leaf in leaves:
        if isinstance(leaf, Computed) and leaf.relation not in model.types[kind]:
            yield (kind, name, leaf.relation), f"`{leaf.relation}` is not a relation of `{kind}`"
        elif isinstance(leaf, From):
            yield from _source(model, kind, name, leaf)


def _source(model: Model, kind: str, name: str, leaf: From) -> Iterator[tuple[Place, str]]:
    source = model.relation(kind, leaf.source)
    if source is None:
        yield (kind, name, leaf.source), f"`{leaf.source}` is not a relation of `{kind}`"
    elif source.expression != Direct():
        yield (kind, name, leaf.source), f"`from` follows direct relations only, and `{leaf.source}` is not one"
    elif any(taken.relation or taken.wildcard for taken in source.takes):
        yield (
            (kind, name, leaf.source),
            f"`from` follows plain types only: `{leaf.source}` takes a userset or a wildcard",
        )
    elif not any(model.relation(taken.type, leaf.relation) for taken in source.takes):
        yield (kind, name, leaf.relation), f"`{leaf.relation}` is not a relation of what `{leaf.source}` leads to"


def _leaves(expression: Expression) -> Iterator[Expression]:
    match expression:
        case AnyOf(parts) | AllOf(parts):
            for part in parts:
                yield from _leaves(part)
        case ButNot(base, without):
            yield from _leaves(base)
            yield from _leaves(without)
        case _:
            yield expression


def _entered(model: Model) -> set[tuple[str, str]]:
    """The relations that somebody can have, by the least fixpoint."""
    entered: set[tuple[str, str]] = set()
    grown = -1
    while grown != len(entered):
        grown = len(entered)
        for kind, relations in model.types.items():
            for name, relation in relations.items():
                if _enterable(model, kind, relation, relation.expression, entered.__contains__):
                    entered.add((kind, name))
    return entered


def _enterable(
    model: Model, kind: str, relation: Relation, expression: Expression, entered: Callable[[tuple[str, str]], bool]
) -> bool:
    match expression:
        case Direct():
            return any(not taken.relation or entered((taken.type, taken.relation)) for taken in relation.takes)
        case Computed(name):
            return entered((kind, name))
        case From(name, source):
            leads = model.relation(kind, source)
            return leads is not None and any(entered((taken.type, name)) for taken in leads.takes)
        case AnyOf(parts):
            return any(_enterable(model, kind, relation, part, entered) for part in parts)
        case AllOf(parts):
            return all(_enterable(model, kind, relation, part, entered) for part in parts)
        case ButNot(base, _):
            return _enterable(model, kind, relation, base, entered)


def _list(value: Mapping[str, Any], name: str) -> list[Any]:
    found = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(found, list) or not all(isinstance(item, Mapping) for item in found):
        raise ConfigurationError(f"`{name}` is a list of objects")
    return found


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(found, str) or not found:
        raise ConfigurationError(f"`{name}` is missing")
    return found


def _wrong(text: str, places: Mapping[Place, str], place: Place) -> ConfigurationError:
    return ConfigurationError(text, where=places.get(place) or places.get(place[:2]))
