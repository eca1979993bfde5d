"""The schema of a detail type: closed, bounded, and of nothing but what a card can show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

from msgspec import Struct

Shape = Literal["money", "window", "number", "time", "boolean", "word", "token", "text", "tokens", "texts", "object"]
"""What a member is to a reader. A word is of an enumeration; a token has a pattern, so it cannot be a sentence; a text is
free."""
LONGEST_TEXT: Final = 5000
MOST_ITEMS: Final = 100
_READ: Final = frozenset({
    "$schema", "$defs", "$ref", "$comment", "title", "description", "examples", "default", "type", "enum", "const", "format",
    "properties", "required", "additionalProperties", "items", "minItems", "maxItems", "uniqueItems", "minLength", "maxLength",
    "pattern", "minimum", "maximum", "multipleOf",
})  # fmt: skip
"""The words of JSON Schema that are looked through here. Any other could let in what nobody has looked at."""


class Member(Struct, frozen=True):
    """A member that a text may name, by its path."""

    shape: Shape
    needed: bool
    """It is in every request."""


def schema_faults(path: str, node: dict[str, Any], root: dict[str, Any], depth: int = 0) -> Iterator[str]:
    """What is wrong with a schema of the document, which begins at `root`; `path` leads to it."""
    at = f"schema: {path or 'the object'}"
    if depth > 4:
        yield f"{at} is too deep to be shown"
    elif "$ref" in node and not _target(node, root):
        yield f"{at} refers to something outside $defs"
    elif unread := sorted(_resolved(node, root).keys() - _READ):
        yield f"{at} uses {unread[0]}, which is not read here"
    else:
        yield from _value_faults(path, _resolved(node, root), root, depth)


def _value_faults(path: str, node: dict[str, Any], root: dict[str, Any], depth: int) -> Iterator[str]:
    at = f"schema: {path or 'the object'}"
    match node.get("type", "nothing"):
        case _ if "enum" in node or "const" in node:
            words = node.get("enum", [node.get("const")])
            if not words or not all(isinstance(word, str) and 0 < len(word) <= 60 for word in words):
                yield f"{at} has values that are no short words"
        case "object":
            yield from _object_faults(path, node, root, depth)
        case "array":
            yield from _array_faults(path, node, root, depth)
        case "string":
            if node.get("format") != "date-time" and not 0 < node.get("maxLength", 0) <= LONGEST_TEXT:
                yield f"{at} needs maxLength, at most {LONGEST_TEXT}"
        case "integer":
            if not {"minimum", "maximum"} <= node.keys() or not node.get("description"):
                yield f"{at} needs minimum, maximum, and a description that says its unit"
        case other if other != "boolean":
            # Fractions among them: neither money nor a policy takes them. A smaller unit makes them whole.
            yield f"{at} is of type {other}, which cannot be shown"


def _object_faults(path: str, node: dict[str, Any], root: dict[str, Any], depth: int) -> Iterator[str]:
    if node.get("additionalProperties") is not False or not node.get("properties"):
        yield f"schema: {path or 'the object'} is not closed (additionalProperties: false)"
    for name, inner in node.get("properties", {}).items():
        schema = inner if isinstance(inner, dict) else {}  # `true` would take anything
        yield from schema_faults(f"{path}.{name}" if path else name, schema, root, depth + 1)


def _array_faults(path: str, node: dict[str, Any], root: dict[str, Any], depth: int) -> Iterator[str]:
    items = node.get("items")
    if not 0 < node.get("maxItems", 0) <= MOST_ITEMS:
        yield f"schema: {path} needs maxItems, at most {MOST_ITEMS}"
    if not isinstance(items, dict) or _resolved(items, root).get("type") != "string":
        yield f"schema: {path} is no list of texts"
    else:
        yield from schema_faults(f"{path}[]", items, root, depth + 1)


def _target(node: dict[str, Any], root: dict[str, Any]) -> dict[str, Any] | None:
    where, _, name = str(node["$ref"]).rpartition("/")
    found = root.get("$defs", {}).get(name) if where == "#/$defs" else None
    return found if isinstance(found, dict) and "$ref" not in found else None


def _resolved(node: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    return {**(_target(node, root) or {}), **node} if "$ref" in node else node


def members_of(root: dict[str, Any]) -> dict[str, Member]:
    """Every member of a schema without faults, by its path."""
    found: dict[str, Member] = {}

    def look(path: str, node: dict[str, Any], *, needed: bool) -> None:
        node = _resolved(node, root)
        if path:
            found[path] = Member(_shape(node, root), needed)
        for name, inner in node.get("properties", {}).items():
            if path or name != "type":  # which every card says
                here = needed and name in node.get("required", ())
                look(f"{path}.{name}" if path else name, inner, needed=here)

    look("", root, needed=True)
    return found


def _shape(node: dict[str, Any], root: dict[str, Any]) -> Shape:  # noqa: PLR0911 - one return a shape
    if "enum" in node or "const" in node:
        return "word"
    match node["type"]:
        case "object":
            inner = {name: _shape(_resolved(each, root), root) for name, each in node["properties"].items()}
            complete = set(node.get("required", ())) == set(inner)
            if complete and inner == {"amount": "number", "currency": "token"}:
                return "money"
            return "window" if complete and inner == {"from": "time", "until": "time"} else "object"
        case "array":
            return "tokens" if _shape(_resolved(node["items"], root), root) in {"token", "word"} else "texts"
        case "boolean":
            return "boolean"
        case "string":
            return "time" if node.get("format") == "date-time" else "token" if "pattern" in node else "text"
        case _:
            return "number"
