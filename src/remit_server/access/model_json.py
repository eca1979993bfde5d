"""An authorization model as a request brings it, made into the one form in which models are kept and shown.

Either spelling of a rewrite's name is taken, `computedUserset` is kept; what the API does not know is left out. Whether the
model means anything is for the rules to say (`rules/relations/model.py`).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from remit_server.access import members as m
from remit_server.access.members import Members
from remit_server.access.refusals import InvalidModel, MissingBase, MissingSubtract, NoTypes, TooMany
from remit_server.errors import InvalidRequest
from remit_server.rules.relations.syntax import DEEPEST

MOST_TYPES: Final = 100
MOST_CONDITIONS: Final = 25
MOST_PARAMETERS: Final = 25
LONGEST_EXPRESSION: Final = 512
"""Bytes of a condition's expression."""
VERSIONS: Final = ("1.1", "1.2")
_SPELLINGS: Final = {"computed_userset": "computedUserset", "tuple_to_userset": "tupleToUserset"}
_REWRITES: Final = ("this", "computedUserset", "tupleToUserset", "union", "intersection", "difference")
_FILE: Final = m.form("[A-Za-z0-9_/-]{1,100}[.]fga", "the name of a file that ends with .fga")


def model_of(asked: Members, most: int) -> dict[str, Any]:
    """A model of at most so many bytes. Raises `InvalidRequest`, or one of its kinds that has a name of its own."""
    definitions = asked.each("type_definitions")
    if not definitions:
        raise NoTypes
    if len(definitions) > MOST_TYPES:
        raise TooMany(f"A model defines at most {MOST_TYPES} types.")
    version = asked.words("schema_version")
    if version not in VERSIONS:
        refusal = InvalidModel if version == "1.0" else InvalidRequest
        raise refusal(f"schema_version must be {' or '.join(VERSIONS)}.")
    model: dict[str, Any] = {"schema_version": version, "type_definitions": [_type(one) for one in definitions]}
    if conditions := asked.inner("conditions"):
        if len(names := list(conditions)) > MOST_CONDITIONS:
            raise InvalidRequest(f"A model has at most {MOST_CONDITIONS} conditions.")
        model["conditions"] = {_named(conditions, name): _condition(conditions, name) for name in names}
    if len(msgspec.json.encode(model)) > most:
        raise TooMany(f"A model has at most {most} bytes.")
    return model


def _type(definition: Members) -> dict[str, Any]:
    relations, metadata = definition.inner("relations") or Members({}), definition.inner("metadata")
    return {
        "type": definition.text("type", m.TYPE),
        "relations": {_named(relations, name): _rewrite(relations.need(name)) for name in relations},
        "metadata": (_described(metadata) or None) if metadata else None,
    }


def _described(metadata: Members) -> dict[str, Any]:
    found = _origin(metadata)
    if relations := metadata.inner("relations"):
        found["relations"] = {_named(relations, name): _metadata(relations.need(name)) for name in relations}
    return found


def _named(holder: Members, name: str) -> str:
    if not m.RELATION.pattern.fullmatch(name):
        raise InvalidRequest(f"A name in {holder.called()} must be {m.RELATION.said}.")
    return name


def _metadata(of: Members) -> dict[str, Any]:
    return _origin(of) | {
        "directly_related_user_types": [_restriction(o) for o in of.each("directly_related_user_types")]
    }


def _origin(of: Members) -> dict[str, Any]:
    """Of which module something is, and in which of its files it stands (schema 1.2)."""
    found: dict[str, Any] = {}
    if module := of.text("module", m.RELATION, needed=False):
        found["module"] = module
    if (source := of.inner("source_info")) and (file := source.text("file", _FILE, needed=False)):
        found["source_info"] = {"file": file}
    return found


def _restriction(of: Members) -> dict[str, Any]:
    found: dict[str, Any] = {"type": of.text("type", m.TYPE)}
    relation, wildcard = of.text("relation", m.RELATION, needed=False), of.inner("wildcard")
    if relation and wildcard is not None:
        raise InvalidRequest(f"{of.called('wildcard')} and relation exclude each other.")
    if relation:
        found["relation"] = relation
    if wildcard is not None:
        found["wildcard"] = {}
    if condition := of.text("condition", m.RELATION, needed=False):
        found["condition"] = condition
    return found


def _rewrite(of: Members, depth: int = 0) -> dict[str, Any]:
    if depth > DEEPEST:
        raise InvalidModel(f"Rewrites stand at most {DEEPEST} deep in one another.")
    given = [name for name in of if _SPELLINGS.get(name, name) in _REWRITES and of.inner(name) is not None]
    if len(given) != 1:
        raise InvalidModel(f"{of.called()} must have exactly one of {', '.join(_REWRITES)}.")
    kind, body = _SPELLINGS.get(given[0], given[0]), of.need(given[0])
    match kind:
        case "this":
            return {"this": {}}
        case "computedUserset":
            return {kind: {"relation": body.text("relation", m.RELATION)}}
        case "tupleToUserset":
            computed = body.inner("computedUserset") or body.need("computed_userset")
            source = body.need("tupleset")
            return {
                kind: {
                    "tupleset": {"relation": source.text("relation", m.RELATION)},
                    "computedUserset": {"relation": computed.text("relation", m.RELATION)},
                }
            }
        case "difference":
            base, subtract = body.need("base", MissingBase), body.need("subtract", MissingSubtract)
            return {kind: {"base": _rewrite(base, depth + 1), "subtract": _rewrite(subtract, depth + 1)}}
        case _:
            return {kind: {"child": [_rewrite(child, depth + 1) for child in body.each("child")]}}


def _condition(conditions: Members, name: str) -> dict[str, Any]:
    of = conditions.need(name)
    expression = of.words("expression")
    if len(expression.encode()) > LONGEST_EXPRESSION:
        raise InvalidRequest(f"{of.called('expression')} has more than {LONGEST_EXPRESSION} bytes.")
    if of.words("name") not in {"", name}:
        raise InvalidModel(f"{of.called('name')} must be {name}.")
    found: dict[str, Any] = {"name": name, "expression": expression}
    if parameters := of.inner("parameters"):
        if len(names := list(parameters)) > MOST_PARAMETERS:
            raise InvalidRequest(f"A condition has at most {MOST_PARAMETERS} parameters.")
        found["parameters"] = {_named(parameters, each): _parameter(parameters.need(each)) for each in names}
    if (metadata := of.inner("metadata")) and (origin := _origin(metadata)):
        found["metadata"] = origin
    return found


def _parameter(of: Members, depth: int = 0) -> dict[str, Any]:
    if depth > DEEPEST:
        raise InvalidModel(f"Types stand at most {DEEPEST} deep in one another.")
    found: dict[str, Any] = {"type_name": of.words("type_name")}
    if generic := of.each("generic_types", 5):
        found["generic_types"] = [_parameter(one, depth + 1) for one in generic]
    return found
