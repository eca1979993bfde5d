"""Parameters in: form-encoded or JSON bodies, and query strings. A repeated parameter is refused (RFC 6749 section 3.2)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

from remit_server.errors import InvalidRequest, UnsupportedMediaType
from remit_server.wire.http import Request

REPEATABLE: Final = frozenset({"resource", "audience"})  # RFC 8707 section 2; RFC 8693 section 2.1
MOST_FIELDS: Final = 100


class Form:
    """Parameters by name. Empty values count as absent (RFC 6749 section 3.1)."""

    def __init__(self, pairs: Iterable[tuple[str, str]], *, repeatable: frozenset[str] = REPEATABLE) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            values = self._values.setdefault(name, [])
            if values and name not in repeatable:
                raise InvalidRequest(f"The parameter {name!r} is repeated.")
            if value:
                values.append(value)

    def get(self, name: str) -> str | None:
        values = self._values.get(name)
        return values[0] if values else None

    def all(self, name: str) -> tuple[str, ...]:
        return tuple(self._values.get(name, ()))

    def need(self, name: str) -> str:
        """The value, or `InvalidRequest` that names what is missing."""
        value = self.get(name)
        if value is None:
            raise InvalidRequest(f"The parameter {name!r} is missing.")
        return value

    def has(self, name: str) -> bool:
        """Whether the parameter was sent, empty or not."""
        return name in self._values

    def __iter__(self) -> Any:
        return iter(self._values)

    def plain(self) -> dict[str, Any]:
        """Names to values, lists for what was sent more than once."""
        return {name: v[0] if len(v) == 1 else v for name, v in self._values.items() if v}


def parse_query(request: Request) -> Form:
    return Form(_pairs(request.query))


async def parse_form(request: Request, *, repeatable: frozenset[str] = REPEATABLE) -> Form:
    """The body's parameters: `application/x-www-form-urlencoded`, or a flat JSON object, which some SDKs send."""
    kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
    body = await request.body()
    if kind == "application/x-www-form-urlencoded" or (not kind and not body):
        try:
            return Form(_pairs(body.decode("utf-8")), repeatable=repeatable)
        except UnicodeDecodeError as error:
            raise InvalidRequest("The body is not UTF-8.") from error
    if kind == "application/json":
        return from_json(parse_json(body))
    raise UnsupportedMediaType


def from_json(members: Mapping[str, Any]) -> Form:
    """The parameters that a JSON object holds."""
    return Form(_flat(members))


def parse_json(body: bytes) -> dict[str, Any]:
    """A JSON object. Raises `InvalidRequest` for anything else, repeated members included."""
    try:
        value = msgspec.json.decode(body)
        json.loads(body, object_pairs_hook=_once)  # msgspec would take the last of two
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise InvalidRequest("The body is not valid JSON.") from error
    if not isinstance(value, dict):
        raise InvalidRequest("The body must be a JSON object.")
    return value


def _once(members: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in members}) < len(members):
        raise InvalidRequest("A member of the body is repeated.")


def _pairs(text: str) -> list[tuple[str, str]]:
    """Names and values, decoded (WHATWG URL section 5.1); a name without `=` has the empty value."""
    parts = text.split("&", MOST_FIELDS)
    if len(parts) > MOST_FIELDS:
        raise InvalidRequest("There are too many parameters.")
    try:
        pairs = [
            (_decoded(name), _decoded(value)) for name, _, value in (part.partition("=") for part in parts if part)
        ]
    except UnicodeDecodeError as error:
        raise InvalidRequest("The parameters are not properly encoded.") from error
    if "%00" in text or "\x00" in text:
        raise InvalidRequest("A parameter has a NUL character.")
    return pairs


def _decoded(text: str) -> str:
    if "+" in text:
        text = text.replace("+", " ")
    return unquote_to_bytes(text).decode() if "%" in text else text


def _flat(members: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """JSON members as parameters: null is absent, arrays of strings repeat, other values are their JSON text."""
    for name, value in members.items():
        for item in value if isinstance(value, list) and name in REPEATABLE else (value,):
            if item is None:
                continue
            text = item if isinstance(item, str) else msgspec.json.encode(item).decode()
            if "\x00" in text or "\x00" in name:
                raise InvalidRequest("A parameter has a NUL character.")
            yield name, text
