"""How a detail reads to a person: the sentence and the facts of its type, filled in. The agent's words have no part in it."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from remit_server.records import DetailType

_PLACE = re.compile(r"\{([a-z][a-z0-9_.]*)(?::([a-z|]+))?\}")
NO_MINOR_UNITS = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"]
)
THREE_MINOR_DIGITS = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])
"""ISO 4217 currencies whose minor unit is not a hundredth."""


class Line(Struct, frozen=True):
    """One fact."""

    label: str
    value: str
    emphasis: bool = False


class Reading(Struct, frozen=True, kw_only=True):
    """What the person reads of one detail."""

    sentence: str
    """Follows "wants to" and precedes "for you"."""
    lines: tuple[Line, ...]
    effect: str
    risk: str
    known: bool = True


def read(detail: dict[str, Any], kind: DetailType | None) -> Reading:
    """A detail in the words of its type; one whose type is gone reads as its plain members, at high risk."""
    if kind is None:
        return _unknown(detail)
    document = kind.document
    values = {**detail, **derived(detail, document.get("derived", {}))}
    lines = [
        Line(fact["label"], text, fact.get("emphasis", False))
        for fact in document["facts"]
        if all(_at(values, path) == wanted for path, wanted in fact.get("when", {}).items())
        and (text := fill(fact["value"], values)) is not None
    ]
    return Reading(
        sentence=fill(document["sentence"], values) or document["title"],
        lines=tuple(lines),
        effect=document["effect"],
        risk=document["risk"],
    )


def fill(text: str, values: dict[str, Any]) -> str | None:
    """A text of the catalog with its places filled, or None when a member that it needs is absent."""
    if any(_at(values, path) is None for path, _ in _PLACE.findall(text)):
        return None
    return _PLACE.sub(lambda place: formatted(_at(values, place.group(1)), place.group(2)), text)


def formatted(value: Any, how: str | None) -> str:
    """A value as the catalog's format names it."""
    if how == "money":
        return money(value["amount"], value["currency"])
    if how == "number":
        return f"{value:,}"
    if how == "capital":
        return str(value)[:1].upper() + str(value)[1:]
    if how and "|" in how:
        one, many = how.split("|", 1)
        return one if value == 1 else many
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return str(value)


def money(amount: int, currency: str) -> str:
    """Minor units as people write them: 412.00 USD, 500 JPY."""
    digits = 0 if currency in NO_MINOR_UNITS else 3 if currency in THREE_MINOR_DIGITS else 2
    whole, rest = divmod(abs(amount), 10**digits)
    sign = "-" if amount < 0 else ""
    return f"{sign}{whole:,}" + (f".{rest:0{digits}}" if digits else "") + f" {currency}"


def derived(detail: dict[str, Any], rules: dict[str, Any]) -> dict[str, Any]:
    """What a type computes from its members, as far as they are there."""
    found: dict[str, Any] = {}
    for name, rule in rules.items():
        number, factor = (_at(detail, path) for path in rule["product"])
        if isinstance(number, int) and isinstance(factor, dict):
            found[name] = {**factor, "amount": number * factor["amount"]}
        elif isinstance(number, int) and isinstance(factor, int):
            found[name] = number * factor
    return found


def _at(values: dict[str, Any], path: str) -> Any:
    found: Any = values
    for member in path.split("."):
        found = found.get(member) if isinstance(found, dict) else None
    return found


def _unknown(detail: dict[str, Any]) -> Reading:
    lines = tuple(Line(name, formatted(value, None)) for name, value in sorted(detail.items()) if name != "type")
    return Reading(
        sentence=f"do something of a kind that is not known here ({detail.get('type')})",
        lines=lines,
        effect="It is not known what this does",
        risk="high",
        known=False,
    )
