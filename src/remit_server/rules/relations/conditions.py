"""Conditions: what else must be true for a tuple to count, written in CEL over named and typed parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from remit_server.errors import InvalidRequest


class Unevaluable(InvalidRequest):
    """A condition that could not be decided: a parameter is missing or does not fit, or evaluation failed."""

    code = "validation_error"


class TypeRef(NamedTuple):
    """The type of a parameter: `int`, or `list` of one other."""

    name: str
    of: tuple[TypeRef, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    name: str
    expression: str
    parameters: Mapping[str, TypeRef]

    def evaluate(self, stored: str, asked: Mapping[str, Any]) -> bool:
        """Whether it holds, by what the tuple says (JSON text, empty for nothing) and what the question says.

        The tuple's values win. Raises `Unevaluable`.
        """
        raise Unevaluable(f"The condition {self.name!r} cannot be evaluated.")


def compiled(name: str, expression: str, parameters: Mapping[str, Mapping[str, Any]]) -> Condition:
    """A condition, ready to evaluate; `parameters` as in the JSON of a model (`{"type_name": ..., "generic_types": [...]}`).

    Raises `ConfigurationError` for an expression that is no CEL, names what is not declared, or is not a bool.
    """
    return Condition(name, expression, {each: _type(value) for each, value in parameters.items()})


def _type(value: Mapping[str, Any]) -> TypeRef:
    name = str(value.get("type_name") or value.get("typeName")).removeprefix("TYPE_NAME_").lower()
    return TypeRef(name, tuple(_type(each) for each in value.get("generic_types") or value.get("genericTypes") or ()))
