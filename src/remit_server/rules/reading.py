"""How a detail reads to a person: the sentence and the facts of its type, filled in.

The words are the type's. What the agent chose stands in places that the type made for it, and where it is free text it is in
quotation marks and short.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from remit_server.records import DetailType

PLACE: Final = re.compile(r"\{([a-z][a-z0-9_.]*)(?::([a-z| ]+))?\}")
LONGEST_QUOTE: Final = 60
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
    block: bool = False
    """The value may have line breaks."""


class Reading(Struct, frozen=True, kw_only=True):
    """What the person reads of one detail."""

    sentence: str
    """Follows "wants to" and precedes "for you"."""
    lines: tuple[Line, ...]
    effect: str
    known: bool = True


def read(detail: dict[str, Any], kind: DetailType | None) -> Reading:
    """A detail in the words of its type; one without a type reads as its plain members."""
    if kind is None:
        return _unknown(detail)
    document, values = kind.document, values_of(detail, kind)
    blocks = {f"{{{member}}}" for member in document.get("multiline", ())}
    lines = [
        Line(fact["label"], text, fact.get("emphasis", False), fact["value"] in blocks)
        for fact in document["facts"]
        if all(at(values, path) == wanted for path, wanted in fact.get("when", {}).items())
        and (text := fill(fact["value"], values)) is not None
    ]
    return Reading(
        sentence=fill(document["sentence"], values) or document["title"], lines=tuple(lines), effect=document["effect"]
    )


def values_of(detail: dict[str, Any], kind: DetailType) -> dict[str, Any]:
    """The members of a detail, and what its type derives from them."""
    return {**detail, **derived(detail, kind.document.get("derived", {}))}


def fill(text: str, values: dict[str, Any]) -> str | None:
    """A text of the catalog with its places filled, or None when a member that it needs is absent."""
    if any(at(values, path) is None for path, _ in PLACE.findall(text)):
        return None
    return PLACE.sub(lambda place: formatted(at(values, place.group(1)), place.group(2)), text)


def formatted(value: Any, how: str | None) -> str:  # noqa: PLR0911 - one return a format
    """A value as the catalog's format names it."""
    match how:
        case "money":
            return money(value["amount"], value["currency"])
        case "number":
            return f"{len(value) if isinstance(value, list) else value:,}"
        case "time":
            moment = datetime.fromisoformat(value)
            return f"{moment.day} {moment:%B %Y, %H:%M:%S}".removesuffix(":00") + " UTC"
        case "capital":
            return str(value)[:1].upper() + str(value)[1:]
        case "quoted" | "some":
            first, *more = value if isinstance(value, list) else [value]
            named = _quoted(_cut(first)) if how == "quoted" else _cut(first)
            return f"{named} and {len(more):,} more" if more else named
        case str() if "|" in how:
            one, many = how.split("|", 1)
            return one if (len(value) if isinstance(value, list) else value) == 1 else many
    if isinstance(value, list):
        return _names([str(item) for item in value]) or "(none)"
    return str(value)


def _names(items: list[str]) -> str:
    """The items of a list, each in quotation marks as soon as one could be taken for two, or for words of ours."""
    plain = all(re.fullmatch(r"[\w@#+%:/.-]+", item) for item in items)
    return ", ".join(items if plain else map(_quoted, items))


def _quoted(text: str) -> str:
    return "“" + re.sub("[“”„‟«»]", '"', text) + "”"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…"


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
        number, factor = (at(detail, path) for path in rule["product"])
        if isinstance(number, int) and isinstance(factor, dict):
            found[name] = {**factor, "amount": number * factor["amount"]}
        elif isinstance(number, int) and isinstance(factor, int):
            found[name] = number * factor
    return found


def at(values: dict[str, Any], path: str) -> Any:
    """The member at a path of the catalog; None when it is absent."""
    found: Any = values
    for member in path.split("."):
        found = found.get(member) if isinstance(found, dict) else None
    return found


def _unknown(detail: dict[str, Any]) -> Reading:
    return Reading(
        sentence=f"do something of a kind that is not known here ({detail.get('type')})",
        lines=tuple(_plain("", {name: value for name, value in detail.items() if name != "type"})),
        effect="It is not known what this does",
        known=False,
    )


def _plain(name: str, value: Any) -> Iterator[Line]:
    """Every member as it was sent: a text keeps its quotation marks, so that it cannot pass for a number or for ours."""
    if isinstance(value, dict) and value:
        for member in sorted(value):
            yield from _plain(f"{name}.{member}" if name else member, value[member])
    elif isinstance(value, list) and value:
        for place, item in enumerate(value, 1):
            yield from _plain(f"{name} {place}", item)
    else:
        yield Line(name, json.dumps(value, ensure_ascii=False))
