"""Rich authorization requests (RFC 9396): judging them, and the digest that names them from ask to receipt."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Collection, Mapping
from typing import Any

import rfc8785
from jsonschema import Draft202012Validator

from remit_server.errors import InvalidDetails
from remit_server.records import DetailType
from remit_server.rules.visible import hides

Details = tuple[dict[str, Any], ...]
MOST = 10
"""Objects in one request: more than anybody reads before saying yes."""
LARGEST_TEXT = 32 * 1024


def judge(text: str, types: Mapping[str, DetailType], allowed: Collection[str]) -> Details:
    """The details in an `authorization_details` parameter, each valid under the schema of its type.

    `allowed` are the types that the APIs asked for take. Raises `InvalidDetails` that names the type and the member,
    never a value (RFC 9396 section 5).
    """
    details = parse(text)
    for entry in details:
        _judge_entry(entry, types, allowed)
    canonical(details)
    return tuple(details)


def parse(text: str) -> list[dict[str, Any]]:
    """The objects in the parameter. A member that is written twice is refused: two readers would see two requests."""
    if len(text) > LARGEST_TEXT:
        raise InvalidDetails("The authorization_details are too long.")
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_never)
    except (ValueError, RecursionError) as error:
        raise InvalidDetails("authorization_details must be a JSON array of objects, each member once.") from error
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise InvalidDetails("authorization_details must be a JSON array of objects.")
    if not 1 <= len(value) <= MOST:
        raise InvalidDetails(f"authorization_details must hold 1 to {MOST} objects.")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a member is repeated")
    return dict(pairs)


def _never(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _judge_entry(entry: dict[str, Any], types: Mapping[str, DetailType], allowed: Collection[str]) -> None:
    name = entry.get("type")
    if not isinstance(name, str):
        raise InvalidDetails("Each of the authorization_details needs a type.")
    kind = types.get(name)
    if kind is None or name not in allowed:
        raise InvalidDetails(f"The type {name[:128]!r} is unknown, or not one of the APIs that are asked for.")
    fault = next(iter(Draft202012Validator(kind.document["schema"]).iter_errors(entry)), None)
    if fault is not None:
        at = fault.json_path.removeprefix("$.") if fault.json_path != "$" else "the object"
        raise InvalidDetails(f"authorization_details of type {name!r}: {at} does not fit ({fault.validator}).")
    if _hides(entry):
        raise InvalidDetails(f"authorization_details of type {name!r} hold characters that nobody would see.")


def _hides(value: Any) -> bool:
    """Line breaks and invisible characters: a `$` in a pattern lets a last line break through, and what the person reads
    must be all there is."""
    if isinstance(value, dict):
        return any(_hides(member) for member in value.values())
    if isinstance(value, list):
        return any(map(_hides, value))
    return isinstance(value, str) and hides(value)


def canonical(details: Any) -> bytes:
    """Canonical JSON (RFC 8785). Raises `InvalidDetails` for numbers and texts that it cannot express exactly."""
    try:
        return rfc8785.dumps(details)
    except (rfc8785.CanonicalizationError, UnicodeError, RecursionError) as error:
        raise InvalidDetails("authorization_details hold a value that JSON readers do not agree on.") from error


def digest(details: Details) -> str:
    """SHA-256 of the canonical JSON, base64url: the same for the same meaning, different for any other."""
    return urlsafe_b64encode(hashlib.sha256(canonical(list(details))).digest()).rstrip(b"=").decode("ascii")


def covers(granted: Collection[dict[str, Any]], asked: Collection[dict[str, Any]]) -> bool:
    """Whether each object that is asked for was granted, member for member."""
    held = {canonical(entry) for entry in granted}
    return all(canonical(entry) in held for entry in asked)
