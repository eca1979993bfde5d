"""Rich authorization requests (RFC 9396): what may be asked, and how it reads to the person who is asked."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from base64 import urlsafe_b64encode
from collections.abc import Collection, Mapping
from typing import Any

import jsonschema
import rfc8785
from msgspec import Struct

from remit_server.errors import InvalidDetails
from remit_server.records import DetailType

MOST = 10
"""Objects in one request: more than anybody reads before saying yes."""

Details = tuple[dict[str, Any], ...]

_HIDING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def parse(text: str) -> list[dict[str, Any]]:
    """The objects in an `authorization_details` parameter. A member that is written twice is refused: two readers would
    see two requests."""
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_never)
    except (ValueError, RecursionError) as error:
        raise InvalidDetails("authorization_details must be a JSON array of objects, each member once.") from error
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
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


def judge(asked: list[dict[str, Any]], types: Mapping[str, DetailType], allowed: Collection[str]) -> Details:
    """The same objects in canonical form (RFC 8785), if each is of an `allowed` type and keeps its schema.

    Raises `InvalidDetails` that names the type or the member, never a value (RFC 9396 section 5).
    """
    for item in asked:
        name = item.get("type")
        if not isinstance(name, str):
            raise InvalidDetails("Each of the authorization_details needs a type.")
        kind = types.get(name)
        if kind is None or name not in allowed:
            raise InvalidDetails(f"The type {name[:128]!r} is unknown, or not one of the APIs that are asked for.")
        for error in jsonschema.Draft202012Validator(kind.document["schema"]).iter_errors(item):
            at = error.json_path.removeprefix("$.") if error.json_path != "$" else "the object"
            raise InvalidDetails(f"authorization_details of type {name!r}: {at} does not fit ({error.validator}).")
        if _hides(item):
            raise InvalidDetails(f"authorization_details of type {name!r} hold characters that nobody would see.")
    return tuple(json.loads(_canonical(item)) for item in asked)


def _hides(value: Any) -> bool:
    """Line breaks and invisible characters: a `$` in a pattern lets a last line break through, and what the person reads
    must be all there is."""
    if isinstance(value, dict):
        return any(_hides(member) for member in value.values())
    if isinstance(value, list):
        return any(map(_hides, value))
    return isinstance(value, str) and any(unicodedata.category(character) in _HIDING for character in value)


def _canonical(value: Any) -> bytes:
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise InvalidDetails("authorization_details hold a number that JSON readers do not agree on.") from error


def digest(details: Collection[dict[str, Any]]) -> str:
    """SHA-256 of the canonical JSON array, base64url: the same for everybody who holds the same details."""
    return urlsafe_b64encode(hashlib.sha256(_canonical(list(details))).digest()).rstrip(b"=").decode("ascii")


def covers(granted: Collection[dict[str, Any]], asked: Collection[dict[str, Any]]) -> bool:
    """Whether each object that is asked for was granted, member for member."""
    held = {_canonical(item) for item in granted}
    return all(_canonical(item) in held for item in asked)


class Line(Struct, frozen=True):
    """A fact about a request. With `emphasis` it is the bound that will be enforced."""

    label: str
    value: str
    emphasis: bool = False


class Reading(Struct, frozen=True, kw_only=True):
    """A details object in the words of its type. Plain text: whoever shows it escapes it."""

    sentence: str
    facts: tuple[Line, ...]
    title: str
    effect: str
    risk: str
    known: bool = True


def read(item: dict[str, Any], types: Mapping[str, DetailType]) -> Reading:
    """How a request reads. A type that is no longer known is shown member by member and counts as high risk."""
    kind = types.get(str(item.get("type")))
    if kind is None:
        facts = tuple(Line(name, _plain(value)) for name, value in item.items() if name != "type")
        return Reading(
            sentence=f"do what it calls {item.get('type')}", facts=facts, title=str(item.get("type")), effect="Unknown",
            risk="high", known=False,
        )  # fmt: skip
    document = kind.document
    values = {**item, **{name: _derived(item, how) for name, how in document.get("derived", {}).items()}}
    facts = tuple(
        Line(fact["label"], text, fact.get("emphasis", False))
        for fact in document["facts"]
        if all(_at(values, path) == wanted for path, wanted in fact.get("when", {}).items())
        and (text := _filled(fact["value"], values)) is not None
    )
    return Reading(
        sentence=_filled(document["sentence"], values) or document["title"], facts=facts, title=document["title"],
        effect=document["effect"], risk=document["risk"],
    )  # fmt: skip


_PLACE = re.compile(r"\{([a-z0-9_.]+)(?::([^}]+))?\}")

_MINOR_DIGITS = {
    **{"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0},
    **{"UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0},
    **{"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3},
}
"""ISO 4217: currencies whose minor unit is not a hundredth."""


def _filled(text: str, values: Mapping[str, Any]) -> str | None:
    """The text with its places filled; None when the request lacks a member that it names."""
    found = {match[0]: (_at(values, match[1]), match[2]) for match in _PLACE.finditer(text)}
    if any(value is None for value, _ in found.values()):
        return None
    return _PLACE.sub(lambda match: _formatted(*found[match[0]]), text)


def _at(values: Mapping[str, Any], path: str) -> Any:
    value: Any = values
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _derived(item: Mapping[str, Any], how: Mapping[str, Any]) -> Any:
    count, value = (_at(item, path) for path in how["product"])
    if not isinstance(count, int) or value is None:
        return None
    return {**value, "amount": count * value["amount"]} if isinstance(value, dict) else count * value


def _formatted(value: Any, how: str | None) -> str:
    match how:
        case "money":
            digits = _MINOR_DIGITS.get(value["currency"], 2)
            whole, rest = divmod(value["amount"], 10**digits)
            return f"{whole:,}" + (f".{rest:0{digits}}" if digits else "") + f" {value['currency']}"
        case "number":
            return f"{value:,}"
        case "capital":
            return str(value)[:1].upper() + str(value)[1:]
        case str() if "|" in how:
            one, _, many = how.partition("|")
            return one if value == 1 else many
    return _plain(value)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
