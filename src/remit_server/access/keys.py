"""Tuple keys as the OpenFGA-shaped API writes them."""

from __future__ import annotations

import msgspec

from remit_server.access import members as m
from remit_server.access.members import Members
from remit_server.access.refusals import MissingTupleKey
from remit_server.rules.relations.tuples import RelationTuple

_encode = msgspec.json.Encoder().encode


def asked_key(holder: Members) -> RelationTuple:
    """The `tuple_key` of a question: `{user, relation, object}`. A condition has no place in it, and is ignored."""
    key = holder.need("tuple_key", MissingTupleKey)
    return RelationTuple(key.text("object", m.OBJECT), key.text("relation", m.RELATION), key.text("user", m.USER))


def written_key(key: Members, *, conditional: bool = True) -> RelationTuple:
    """A tuple: `{user, relation, object, condition?: {name, context?}}`; one to delete has no condition."""
    object_, relation, user = key.text("object", m.OBJECT), key.text("relation", m.RELATION), key.text("user", m.USER)
    condition = key.inner("condition") if conditional else None
    if condition is None:
        return RelationTuple(object_, relation, user)
    context = condition.plain("context")
    text = _encode(context).decode() if context else ""
    return RelationTuple(object_, relation, user, condition.text("name", m.CONDITION), text)


def contextual_keys(holder: Members, most: int) -> tuple[RelationTuple, ...]:
    """`contextual_tuples: {tuple_keys: [...]}`, or nothing where it is absent."""
    held = holder.inner("contextual_tuples")
    return () if held is None else written_keys(held.each("tuple_keys", most))


def written_keys(keys: list[Members]) -> tuple[RelationTuple, ...]:
    return tuple(written_key(key) for key in keys)
