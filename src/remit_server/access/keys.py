"""Tuple keys as the OpenFGA-shaped API writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit_server.errors import InvalidRequest
from remit_server.rules.relations.tuples import RelationTuple


def tuple_key(value: Any) -> RelationTuple:
    """`{user, relation, object}`, further members ignored. Raises `InvalidRequest`; a condition is refused, not ignored."""
    if not isinstance(value, Mapping):
        raise InvalidRequest("A tuple_key is an object.")
    key = RelationTuple(value.get("object"), value.get("relation"), value.get("user"))  # type: ignore[arg-type]
    if not all(isinstance(part, str) and part for part in key.key):
        raise InvalidRequest("A tuple_key has user, relation and object.")
    if value.get("condition"):
        raise InvalidRequest("Conditions are not supported.")
    return key


def tuple_keys(body: Mapping[str, Any], name: str) -> tuple[RelationTuple, ...]:
    """`{name: {tuple_keys: [...]}}`, or nothing where it is absent. Raises `InvalidRequest`."""
    held = body.get(name)
    if held is None:
        return ()
    keys = held.get("tuple_keys") if isinstance(held, Mapping) else None
    if not isinstance(keys, list):
        raise InvalidRequest(f"{name} holds a list of tuple_keys.")
    return tuple(tuple_key(key) for key in keys)
