"""Relation tuples: how they are written, and which of them a model takes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from remit_server.errors import ConfigurationError, InvalidRequest
from remit_server.rules.relations.conditions import Unevaluable
from remit_server.rules.relations.model import Model, Relation

# The patterns of OpenFGA's API: no white space, one colon, and it stands after the type, `#` before a relation.
_OBJECT: Final = re.compile(r"[^:#@\s\0]{1,254}:[^#:\s\0]+")
_RELATION: Final = re.compile(r"[^:#@\s\0]{1,50}")
LONGEST_OBJECT: Final = 256
LONGEST_USER: Final = 512
LARGEST_CONTEXT: Final = 32 * 1024
"""Bytes of JSON."""


class ConditionFault(str):
    """A fault of nothing but a tuple's condition. OpenFGA's lists refuse it as a `validation_error`, no `invalid_tuple`."""

    __slots__ = ()


class RelationTuple(NamedTuple):
    """`subject` has `relation` to `object`, always or where a condition holds."""

    object: str
    relation: str
    subject: str
    """`user:ada`, `user:*` or a userset `group:traders#member`. On the wire it is called the user."""
    condition: str = ""
    """The name of a condition of the model; empty for always."""
    context: str = ""
    """What the tuple itself tells that condition: an object as JSON text; empty for nothing."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What there is one tuple of: the condition is no part of it."""
        return self[:3]


def parse_tuple(value: Mapping[str, Any]) -> RelationTuple:
    """A tuple from its YAML or JSON form `{user, relation, object, condition?}`. Raises `ConfigurationError`."""
    if not isinstance(value, Mapping) or not {"user", "relation", "object"} <= set(value) <= _MEMBERS:
        raise ConfigurationError(
            "a tuple has `user`, `relation` and `object`, may have a `condition`, and nothing else"
        )
    condition, context = _condition(value.get("condition"))
    tuple_ = RelationTuple(value["object"], value["relation"], value["user"], condition, context)
    if not all(isinstance(part, str) for part in tuple_.key):
        raise ConfigurationError("`user`, `relation` and `object` are texts")
    if fault := malformed(tuple_):
        raise ConfigurationError(fault)
    return tuple_


_MEMBERS: Final = {"user", "relation", "object", "condition"}


def _condition(value: Any) -> tuple[str, str]:
    """The name and the context, as JSON text, of `{name, context?}`."""
    if value is None:
        return "", ""
    if not isinstance(value, Mapping) or not set(value) <= {"name", "context"}:
        raise ConfigurationError("a condition has a `name` and may have a `context`")
    name, context = value.get("name"), value.get("context") or {}
    if not isinstance(name, str) or not name or not isinstance(context, Mapping):
        raise ConfigurationError("the `name` of a condition is a text, and its `context` an object")
    try:
        return name, json.dumps(context, allow_nan=False) if context else ""
    except (TypeError, ValueError):
        raise ConfigurationError("the `context` of a condition holds what JSON can say; quote its dates") from None


def malformed(tuple_: RelationTuple) -> str | None:
    """What is wrong with the form of a tuple, or of a question, whatever the model."""
    if len(tuple_.object) > LONGEST_OBJECT or not _OBJECT.fullmatch(tuple_.object) or tuple_.object.endswith(":*"):
        return f"the object {_shown(tuple_.object)} is not written `type:id`"
    if not _RELATION.fullmatch(tuple_.relation):
        return f"the relation {_shown(tuple_.relation)} is not a name"
    object_, mark, relation = tuple_.subject.partition("#")
    if len(tuple_.subject) > LONGEST_USER or not _OBJECT.fullmatch(object_):
        return f"the user {_shown(tuple_.subject)} is not written `type:id`, `type:*` or `type:id#relation`"
    if mark and (not _RELATION.fullmatch(relation) or "*" in object_):
        return f"the user {_shown(tuple_.subject)} has no relation after `#`"
    return None


def kind_of(user: str) -> str:
    """What a model calls this kind of user: `user`, `user:*`, `group#member`."""
    type_, _, rest = user.partition(":")
    if rest == "*":
        return f"{type_}:*"
    _, mark, relation = rest.partition("#")
    return f"{type_}#{relation}" if mark else type_


def judge(model: Model, tuple_: RelationTuple) -> str | None:
    """Why a model does not take a tuple, or None where it does. It is a `ConditionFault` where all but the condition fits."""
    if fault := malformed(tuple_):
        return fault
    type_ = tuple_.object.partition(":")[0]
    if type_ not in model.types:
        return f"the type {_shown(type_)} is not defined"
    relation = model.relation(type_, tuple_.relation)
    if relation is None:
        return f"{_shown(tuple_.relation)} is not a relation of {_shown(type_)}"
    if kind_of(tuple_.subject) not in relation.kinds:
        takes = ", ".join(map(str, relation.takes)) or "no tuples: it follows from other relations"
        return f"{_shown(tuple_.relation)} of {_shown(type_)} does not take {_shown(tuple_.subject)}; it takes {takes}"
    fault = _conditioned(relation, tuple_) or _context(model, tuple_)
    return ConditionFault(fault) if fault else None


def _conditioned(relation: Relation, tuple_: RelationTuple) -> str | None:
    """What is wrong with the condition that a tuple carries, or with its having none."""
    allowed = relation.kinds[kind_of(tuple_.subject)]
    if tuple_.condition in allowed:
        return None
    names = " or ".join(f"the condition `{name}`" if name else "no condition" for name in sorted(allowed))
    carries = f"not {_shown(tuple_.condition)}" if tuple_.condition else "and it carries none"
    return f"{_shown(tuple_.subject)} stands in {_shown(tuple_.relation)} with {names}, {carries}"


def _context(model: Model, tuple_: RelationTuple) -> str | None:
    """What is wrong with what a tuple tells its condition."""
    if not tuple_.context:
        return None
    if not tuple_.condition:
        return "a context belongs to a condition, and there is none"
    if len(tuple_.context.encode(errors="replace")) > LARGEST_CONTEXT:
        return f"the context of a tuple takes at most {LARGEST_CONTEXT} bytes"
    condition, said = model.conditions[tuple_.condition], json.loads(tuple_.context)
    for name in said:
        if name not in condition.parameters:
            return f"{_shown(name)} is not a parameter of the condition `{condition.name}`"
    try:
        condition.fitting(said)
    except Unevaluable as unfit:
        return unfit.text
    return None


def question(model: Model, asked: RelationTuple) -> None:
    """Whether a model can answer. Raises `InvalidRequest` for what it does not define."""
    fault = malformed(asked)
    if fault is None and model.relation(asked.object.partition(":")[0], asked.relation) is None:
        fault = f"the model defines no {asked.relation!r} for {_shown(asked.object.partition(':')[0])}"
    if fault is None:
        type_, mark, relation = kind_of(asked.subject).removesuffix(":*").partition("#")
        if type_ not in model.types or (mark and relation not in model.types[type_]):
            fault = f"the model does not define what {_shown(asked.subject)} is"
    if fault is not None:
        raise InvalidRequest(fault[:1].upper() + fault[1:] + ".")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
