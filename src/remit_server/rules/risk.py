"""How much is at stake in a request, and what about it is not as usual: from the documents of its types and the facts given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from msgspec import Struct

from remit_server.records import DetailType
from remit_server.rules.details import Details, canonical
from remit_server.rules.reading import at, fill, formatted, values_of

Tier = Literal["low", "high"]
UNKNOWN: Final = "not a kind of request that is known here"


class Known(Struct, frozen=True, kw_only=True):
    """What else is known when a request comes in. Knowing nothing makes a request look riskier, never safer."""

    earlier: Details = ()
    """What this person has approved for this agent before."""
    domains: frozenset[str] = frozenset()
    """Of the organisation's e-mail addresses, in lower case."""


class Risk(Struct, frozen=True, kw_only=True):
    tier: Tier
    """high: the person proves again who they are."""
    why: tuple[str, ...] = ()
    """What makes it high, in the words of its types; empty where the type always is."""
    unusual: tuple[str, ...] = ()
    """What is not as usual, worth a second look."""


def judge(details: Details, types: Mapping[str, DetailType], known: Known) -> Risk:
    """The highest tier of any of the details; those without a document are high."""
    tier: Tier = "low"
    why: list[str] = []
    unusual: list[str] = []
    for name in dict.fromkeys(detail["type"] for detail in details):
        kind = types.get(name)
        if kind is None:
            tier, why = "high", [*why, UNKNOWN]
            continue
        asked = [values_of(detail, kind) for detail in details if detail["type"] == name]
        earlier = [values_of(detail, kind) for detail in known.earlier if detail.get("type") == name]
        risk = kind.document["risk"]
        met = (
            [] if isinstance(risk, str) else [one["say"] for one in risk["high"] if _meets(one, asked, earlier, known)]
        )
        if risk == "high" or met:
            tier, why = "high", [*why, *met]
        unusual += _unusual(kind.document.get("unusual", ()), asked, earlier)
    lines = tuple(dict.fromkeys(why))
    return Risk(tier=tier, why=lines, unusual=tuple(line for line in dict.fromkeys(unusual) if line not in lines))


def _meets(
    condition: Mapping[str, Any], asked: list[dict[str, Any]], earlier: list[dict[str, Any]], known: Known
) -> bool:
    if path := condition.get("above"):
        than = condition["than"]
        return any(
            currency not in than or sum_ > than[currency] if isinstance(than, dict) else sum_ > than
            for currency, sum_ in _sums(asked, path).items()
        )
    if path := condition.get("outside"):
        return any(_domain(each) not in known.domains for each in _values(asked, path))
    if path := condition.get("first"):
        return bool(_new(asked, earlier, path))
    if path := condition.get("is"):
        return any(_in(value, condition["of"]) for value in _values(asked, path))
    return any(not _in(value, condition["of"]) for value in _values(asked, condition["is_not"]))


def _unusual(lines: list[dict[str, Any]], asked: list[dict[str, Any]], earlier: list[dict[str, Any]]) -> Iterator[str]:
    for line in lines:
        if "first" in line:
            for values in asked:
                if new := _new([values], earlier, line["first"]):
                    yield fill(line["say"], {**values, "new": formatted(new, "quoted")}) or line["say"]
        else:
            usual = [_sums([values], line["above"]) for values in earlier]
            for currency, sum_ in _sums(asked, line["above"]).items():
                sizes = sorted(each[currency] for each in usual if each[currency])
                if sizes and (times := sum_ // sizes[(len(sizes) - 1) // 2]) >= line["times"]:
                    yield fill(line["say"], {**asked[0], "times": int(times)}) or line["say"]


def _values(asked: list[dict[str, Any]], path: str) -> Iterator[Any]:
    """The values at a path, those of a list one by one."""
    for values in asked:
        found = at(values, path)
        if found is not None:
            yield from found if isinstance(found, list) else [found]


def _sums(asked: list[dict[str, Any]], path: str) -> Counter[str]:
    """Sums by currency; numbers, and the items of lists, under no currency."""
    sums: Counter[str] = Counter()
    for values in asked:
        match at(values, path):
            case {"amount": amount, "currency": currency}:
                sums[currency] += amount
            case list() as items:
                sums[""] += len(items)
            case None:
                pass
            case number:
                sums[""] += number
    return sums


def _new(asked: list[dict[str, Any]], earlier: list[dict[str, Any]], path: str) -> list[Any]:
    seen = {canonical(value) for value in _values(earlier, path)}
    return [value for value in _values(asked, path) if canonical(value) not in seen]


def _in(value: Any, of: list[Any]) -> bool:
    return canonical(value) in map(canonical, of)  # in Python, 1 is True


def _domain(address: str) -> str | None:
    name, sign, domain = address.rpartition("@")
    return domain.lower() if name and sign else None
