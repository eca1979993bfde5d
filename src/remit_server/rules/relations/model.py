"""Authorization models: what objects there are, which relations they have, and who can have them.

A model travels as JSON (form.py) and is written in the modelling language (syntax.py). `parse` reads the language, `compiled`
makes of the JSON what is reasoned with, and refuses a model that could not mean anything (meaning.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from remit_server.errors import ConfigurationError
from remit_server.rules.relations import conditions, meaning, syntax
from remit_server.rules.relations.conditions import Condition
from remit_server.rules.relations.faults import Fault, Faulty, Place, Span, placed
from remit_server.rules.relations.form import form
from remit_server.rules.relations.rewrites import (
    AllOf,
    AnyOf,
    ButNot,
    Computed,
    Definition,
    Direct,
    Expression,
    From,
    Relation,
    Restriction,
)

__all__ = [
    "AllOf", "AnyOf", "ButNot", "Computed", "Direct", "Expression", "From", "Model", "Relation", "Restriction",
    "compiled", "definitions", "faults", "parse",
]  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """Compiled once; the same only as itself, so that it can be a key."""

    types: Mapping[str, Mapping[str, Relation]]
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    schema_version: str = "1.1"

    def relation(self, kind: str, name: str) -> Relation | None:
        return self.types.get(kind, {}).get(name)


def parse(text: str) -> dict[str, Any]:
    """The JSON form of a model in the modelling language.

    Raises `Faulty`, a `ConfigurationError` whose `where` is `line:column` from 1, for every fault of syntax or meaning, harmless
    ones too: whoever writes a model is told.
    """
    parsed = syntax.read(text)
    _, found = _understood(form(parsed.model))
    if found:
        raise Faulty(placed(found, parsed.places))
    return parsed.model


def faults(model: Any, places: Mapping[Place, Span] | None = None) -> list[Fault]:
    """All that is wrong with a model in JSON. Raises `ConfigurationError` for what has not the shape of one."""
    _, found = _understood(form(model))
    return placed(found, places or {})


def compiled(model: Any, places: Mapping[Place, Span] | None = None) -> Model:
    """A model in JSON, ready to reason with. Raises `ConfigurationError`; `places` tell where in the text a fault lies."""
    built, found = _understood(form(model))
    if harmful := [fault for fault in found if not fault.harmless]:
        raise Faulty(placed(harmful, places or {}))
    return built


def _understood(model: Mapping[str, Any]) -> tuple[Model, list[Fault]]:
    defined = definitions(model)
    found = meaning.faults(model, defined)
    ready: dict[str, Condition] = {}
    for name, condition in model.get("conditions", {}).items():
        try:
            ready[name] = conditions.compiled(name, condition["expression"], condition["parameters"])
        except ConfigurationError as error:
            found.append(Fault("invalid-condition", error.text, name, ("", name)))
    if not defined and not found:
        found.append(Fault("no-types", "a model defines at least one type", "", ("",)))
    return Model(dict(defined), ready, model["schema_version"]), found


def definitions(model: Mapping[str, Any]) -> list[Definition]:
    """What a model in JSON (as `form` gives it) defines, in its order."""
    return [_definition(each) for each in model["type_definitions"]]


def _definition(value: Mapping[str, Any]) -> Definition:
    taken = (value["metadata"] or {}).get("relations", {})
    relations = {
        name: Relation(_expression(body), tuple(_restrictions(taken.get(name))))
        for name, body in value["relations"].items()
    }
    return Definition(value["type"], relations)


def _restrictions(metadata: Mapping[str, Any] | None) -> Iterator[Restriction]:
    for each in (metadata or {}).get("directly_related_user_types", ()):
        yield Restriction(each["type"], each.get("relation", ""), "wildcard" in each, each.get("condition", ""))


def _expression(body: Mapping[str, Any]) -> Expression:
    ((operator, value),) = body.items()
    match operator:
        case "computedUserset":
            return Computed(value["relation"])
        case "tupleToUserset":
            return From(value["computedUserset"]["relation"], value["tupleset"]["relation"])
        case "difference":
            return ButNot(_expression(value["base"]), _expression(value["subtract"]))
        case "union":
            return AnyOf(tuple(map(_expression, value["child"])))
        case "intersection":
            return AllOf(tuple(map(_expression, value["child"])))
    return Direct()
