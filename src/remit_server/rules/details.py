"""Rich authorization requests (RFC 9396): judging them, and the digest that names them from ask to receipt."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

import rfc8785
from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from remit_server.errors import InvalidDetails
from remit_server.records import DetailType
from remit_server.rules.visible import hides

Details = tuple[dict[str, Any], ...]
MOST = 10
"""Objects in one request: more than anybody reads before saying yes."""
LARGEST_TEXT = 32 * 1024
EXACT: Final = 2**53 - 1
_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}", re.ASCII)
_MOST_MEMBERS, _LONGEST_TEXT, _DEEPEST = 50, 500, 4
"""Of an object that no document describes: what fits a card."""


def judge(
    text: str, types: Mapping[str, DetailType], allowed: Collection[str], undescribed: Collection[str] = ()
) -> Details:
    """The details in an `authorization_details` parameter, each valid under the schema of its type.

    `allowed` are the types that the APIs asked for take; of `undescribed` they take any small object. Raises `InvalidDetails`
    that names the type and the member, never a value (RFC 9396 section 5).
    """
    details = parse(text)
    for entry in details:
        name = entry.get("type")
        if not isinstance(name, str):
            raise InvalidDetails("Each of the authorization_details needs a type.")
        kind = types.get(name)
        if kind is not None and name in allowed:
            fits(entry, kind)
        elif kind is None and name in undescribed:
            _small(entry)
        else:
            raise InvalidDetails(f"The type {name[:128]!r} is unknown, or not one of the APIs that are asked for.")
    canonical(details)
    return tuple(details)


def parse(text: str) -> list[dict[str, Any]]:
    """The objects in the parameter. A member that is written twice is refused: two readers would see two requests."""
    if len(text) > LARGEST_TEXT:
        raise InvalidDetails("The authorization_details are too long.")
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_never, parse_float=_number)
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


def _number(written: str) -> int | float:
    """`10.0` and `1e1` are the whole number 10 to every reader of JSON, and to every rule here.

    A whole number beyond 2^53 - 1 is refused, however it is written: readers do not agree on it (RFC 7493 section 2.2).
    """
    value = float(written)
    if not value.is_integer():
        return value
    if abs(value) > EXACT:
        raise ValueError("a whole number that is not exact")
    return int(value)


def moment(text: str) -> bool:
    """Whether a text is a time, written as we compare them: UTC, whole seconds, `2026-11-22T14:00:00Z` (RFC 3339)."""
    try:
        return _UTC.fullmatch(text) is not None and datetime.fromisoformat(text) is not None
    except ValueError:
        return False


_FORMATS: Final = FormatChecker(formats=())
_FORMATS.checks("date-time")(lambda value: not isinstance(value, str) or moment(value))


def fits(entry: dict[str, Any], kind: DetailType) -> None:
    """Raises `InvalidDetails` when a detail is not one of its type."""
    document = kind.document
    fault = _fault(entry, kind)
    if fault is not None:
        place = fault.json_path.removeprefix("$.") if fault.json_path != "$" else "the object"
        raise InvalidDetails(f"authorization_details of type {kind.type!r}: {place} does not fit ({fault.validator}).")
    for member in document["enforce"].get("within", ()):
        if member in entry and entry[member]["from"] > entry[member]["until"]:
            raise InvalidDetails(f"authorization_details of type {kind.type!r}: {member} closes before it opens.")
    lines = document.get("multiline", ())
    if any(_hides(value.replace("\n", " ") if name in lines else value) for name, value in entry.items()):
        raise InvalidDetails(f"authorization_details of type {kind.type!r} hold characters that nobody would see.")


def misfit(entry: dict[str, Any], kind: DetailType) -> str | None:
    """The member with which an object is none of its type, `type` where it is more than one; None when it fits."""
    fault = _fault(entry, kind)
    if fault is None:
        return None
    return str(fault.absolute_path[0]) if fault.absolute_path else "type"


def _fault(entry: dict[str, Any], kind: DetailType) -> ValidationError | None:
    validator = Draft202012Validator(kind.document["schema"], format_checker=_FORMATS)
    return next(iter(validator.iter_errors(entry)), None)


def _small(entry: dict[str, Any]) -> None:
    """An object that nothing describes is shown member by member: so it has few, with plain names and short values."""
    if _size(entry) > _MOST_MEMBERS:
        raise InvalidDetails("authorization_details without a description are too large to be shown.")
    if _hides(entry):
        raise InvalidDetails("authorization_details hold characters that nobody would see.")


def _size(value: Any, depth: int = 0) -> int:
    """How many values an object has. Raises `InvalidDetails` for what does not fit a card."""
    if depth > _DEEPEST or (isinstance(value, str) and len(value) > _LONGEST_TEXT):
        raise InvalidDetails("authorization_details without a description are too large to be shown.")
    if isinstance(value, dict) and not all(map(_NAME.fullmatch, value)):
        raise InvalidDetails("authorization_details without a description have plain member names.")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(_size(each, depth + 1) for each in inner)


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
