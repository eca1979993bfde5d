"""Who has a relation, one step deep: OpenFGA's tree of userset expressions, as its API writes it.

A tree tells what stands in tuples and where to ask on; it follows nothing and evaluates no condition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from remit_server.rules.relations.facts import Contextual, Found, Holders, Steps
from remit_server.rules.relations.model import AllOf, AnyOf, ButNot, Computed, Direct, Expression, From, Model
from remit_server.rules.relations.rewrites import leaves

Tree = dict[str, Any]
"""`{"root": {"name": "document:1#viewer", "leaf" | "union" | "intersection" | "difference": ...}}`."""


def expand(model: Model, object_: str, relation: str, contextual: Contextual) -> Steps[Tree]:
    """The tree of a relation that the model defines."""
    type_ = object_.partition(":")[0]
    relations = model.types[type_]
    rule = relations[relation].expression
    read = {_read(leaf, relation) for leaf in leaves(rule)} - {""}
    needs = {name: [Holders(object_, name, kind) for kind in relations[name].kinds] for name in sorted(read)}
    found: Found = {}
    if wanted := [need for some in needs.values() for need in some]:
        found = yield wanted
    subjects = {
        name: sorted(
            other
            for need in some
            for other, condition, _ in contextual.over(need, found.get(need) or ())
            if condition in relations[name].kinds[need.kind]
        )
        for name, some in needs.items()
    }
    return {"root": _node(rule, object_, relation, subjects)}


def _read(leaf: Expression, relation: str) -> str:
    """The relation whose tuples a leaf shows."""
    return leaf.source if isinstance(leaf, From) else relation if isinstance(leaf, Direct) else ""


def _node(expression: Expression, object_: str, relation: str, subjects: Mapping[str, Sequence[str]]) -> Tree:
    def inner(part: Expression) -> Tree:
        return _node(part, object_, relation, subjects)

    name = f"{object_}#{relation}"
    match expression:
        case Direct():
            return {"name": name, "leaf": {"users": {"users": list(subjects[relation])}}}
        case Computed(other):
            return {"name": name, "leaf": {"computed": {"userset": f"{object_}#{other}"}}}
        case From(other, source):
            computed = [{"userset": f"{parent}#{other}"} for parent in subjects[source]]
            return {"name": name, "leaf": {"tupleToUserset": {"tupleset": f"{object_}#{source}", "computed": computed}}}
        case AnyOf(parts):
            return {"name": name, "union": {"nodes": [inner(part) for part in parts]}}
        case AllOf(parts):
            return {"name": name, "intersection": {"nodes": [inner(part) for part in parts]}}
        case ButNot(base, without):
            return {"name": name, "difference": {"base": inner(base), "subtract": inner(without)}}
