"""A model as JSON: read in either spelling of its member names (`type_definitions`, `typeDefinitions`), given back in one.

Only the shape is judged here, not what the model means. What the API does not know is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from remit_server.errors import ConfigurationError
from remit_server.rules.relations.syntax import DEEPEST, GENERIC, SIMPLE

MOST_CONDITIONS: Final = 100
"""Each takes a millisecond or two to compile."""
_TYPE_NAME: Final = "TYPE_NAME_"


def form(model: Any) -> dict[str, Any]:
    """The model in the spelling of OpenFGA's API. Raises `ConfigurationError` where something has not the shape of a model."""
    found: dict[str, Any] = {"schema_version": _text(model, "schema_version", "")}
    found["type_definitions"] = [_definition(each) for each in _list(model, "type_definitions")]
    conditions = _entries(_member(model, "conditions"), _condition)
    if len(conditions) > MOST_CONDITIONS:
        raise ConfigurationError(f"a model has at most {MOST_CONDITIONS} conditions")
    if conditions:
        found["conditions"] = conditions
    return found


def modules(model: Mapping[str, Any]) -> list[str]:
    """The names of the modules that a model (as `form` gives it) was put together from."""
    found = set()
    for definition in model["type_definitions"]:
        metadata = definition["metadata"] or {}
        found |= {metadata.get("module"), *(each.get("module") for each in metadata.get("relations", {}).values())}
    found |= {each.get("metadata", {}).get("module") for each in model.get("conditions", {}).values()}
    return sorted(name for name in found if name)


def _definition(value: Any) -> dict[str, Any]:
    metadata = _member(value, "metadata")
    found = _origin(metadata)
    if relations := _entries(_member(metadata, "relations"), _relation):
        found["relations"] = relations
    return {
        "type": _text(value, "type"),
        "relations": _entries(_member(value, "relations"), _rewrite),
        "metadata": found or None,
    }


def _relation(value: Any) -> dict[str, Any]:
    listed = [_restriction(each) for each in _list(value, "directly_related_user_types")]
    return {"directly_related_user_types": listed, **_origin(value)}


def _restriction(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"type": _text(value, "type")}
    if relation := _text(value, "relation", ""):
        found["relation"] = relation
    if _member(value, "wildcard") is not None:
        found["wildcard"] = {}
    if len(found) > 2:
        raise ConfigurationError(f"`{found['type']}` is taken with a relation or as a wildcard, not as both")
    if condition := _text(value, "condition", ""):
        found["condition"] = condition
    return found


def _rewrite(value: Any, depth: int = 0) -> dict[str, Any]:
    rewrites = [(name, body) for name, body in value.items() if body is not None] if isinstance(value, Mapping) else []
    if len(rewrites) != 1 or depth > DEEPEST:
        raise ConfigurationError("a relation has exactly one rewrite")
    ((operator, body),) = rewrites
    match operator:
        case "this":
            return {"this": {}}
        case "computedUserset" | "computed_userset":
            return {"computedUserset": _named(body)}
        case "tupleToUserset" | "tuple_to_userset":
            computed = _named(_member(body, "computed_userset"))
            return {"tupleToUserset": {"tupleset": _named(_member(body, "tupleset")), "computedUserset": computed}}
        case "union" | "intersection":
            children = [_rewrite(child, depth + 1) for child in _list(body, "child")]
            if len(children) < 2:  # the empty intersection would be everybody
                raise ConfigurationError(f"`{operator}` joins at least two")
            return {operator: {"child": children}}
        case "difference":
            return {"difference": {name: _rewrite(_member(body, name), depth + 1) for name in ("base", "subtract")}}
        case _:
            raise ConfigurationError(f"`{operator}` is not a rewrite")


def _named(value: Any) -> dict[str, str]:
    return {"relation": _text(value, "relation")}


def _condition(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = {name: _text(value, name) for name in ("name", "expression")}
    found["parameters"] = _entries(_member(value, "parameters"), _parameter)
    if origin := _origin(_member(value, "metadata")):
        found["metadata"] = origin
    return found


def _parameter(value: Any, known: frozenset[str] = SIMPLE | GENERIC) -> dict[str, Any]:
    name = _text(value, "type_name")
    simple = name.removeprefix(_TYPE_NAME).lower()
    generics = _list(value, "generic_types")
    if not name.startswith(_TYPE_NAME) or simple not in known or len(generics) != (simple in GENERIC):
        raise ConfigurationError(f"`{name}` is not the type of a parameter, or lacks what it is made of")
    return {"type_name": name} | ({"generic_types": [_parameter(generics[0], SIMPLE)]} if generics else {})


def _origin(value: Any) -> dict[str, Any]:
    """The module and the file that something comes from, where that is known."""
    found: dict[str, Any] = {}
    if module := _text(value, "module", ""):
        found["module"] = module
    if file := _text(_member(value, "source_info"), "file", ""):
        found["source_info"] = {"file": file}
    return found


def _entries(value: Any, read: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    if not isinstance(value or {}, Mapping) or not all(isinstance(name, str) and name for name in value or {}):
        raise ConfigurationError("relations, conditions and parameters are objects, and each has a name")
    return {name: read(each) for name, each in (value or {}).items()}


def _member(value: Any, name: str) -> Any:
    """A member by its name or by that in camel case; None where there is none."""
    if value is not None and not isinstance(value, Mapping):
        raise ConfigurationError(f"what should have `{name}` is not an object")
    first, *rest = name.split("_")
    camel = first + "".join(word.capitalize() for word in rest)
    return (value or {}).get(name, (value or {}).get(camel))


def _list(value: Any, name: str) -> list[Any]:
    found = _member(value, name)
    if found is not None and not isinstance(found, list):
        raise ConfigurationError(f"`{name}` is a list")
    return found or []


def _text(value: Any, name: str, default: str | None = None) -> str:
    found = _member(value, name)
    if found is None and default is not None:
        return default
    if not isinstance(found, str) or (not found and default is None):
        raise ConfigurationError(f"`{name}` is missing, or no text")
    return found
