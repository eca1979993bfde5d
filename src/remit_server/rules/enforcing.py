"""How a call, or a narrower request, is held against what was approved: the `enforce` of a detail type."""

from __future__ import annotations

from typing import Any, Final, Literal

from remit_server.records import DetailType
from remit_server.rules.details import canonical, moment

Mode = Literal["equal", "at_most", "at_least", "subset", "within"]
_MONEY: Final = {"amount", "currency"}
_WINDOW: Final = {"from", "until"}


def difference(kind: DetailType | None, approved: dict[str, Any], actual: dict[str, Any]) -> str | None:
    """The first member, by name, in which `actual` is not within what was approved; None when it is.

    A member is absent in both or in neither. What a mode cannot compare is a difference; of a type that nobody describes (None)
    every member is equal. Where `b` is within `a` and `c` within
    `b`, `c` is within `a`.
    """
    modes = modes_of(kind) if kind else {}
    for name in sorted(approved.keys() | actual.keys()):
        if name not in approved or name not in actual:
            return name
        if not within(approved[name], actual[name], modes.get(name, "equal"), words_of(kind, name) if kind else None):
            return name
    return None


def modes_of(kind: DetailType) -> dict[str, Mode]:
    """How each member is compared."""
    return {name: mode for mode, names in kind.document["enforce"].items() for name in names}


def within(approved: Any, actual: Any, mode: Mode, words: list[Any] | None = None) -> bool:
    """Whether one value is within another. `words` are those of an enumeration, from least to most."""
    match mode:
        case "equal":
            return canonical(approved) == canonical(actual)
        case "at_most":
            return _least(actual, approved, words)
        case "at_least":
            return _least(approved, actual, words)
        case "subset":
            return _subset(approved, actual)
        case "within":
            return _inside(approved, actual)


def _least(one: Any, other: Any, words: list[Any] | None) -> bool:
    """Whether one is the same or less; False for what has no order."""
    if words is not None:
        return one in words and other in words and words.index(one) <= words.index(other)
    if isinstance(one, bool) or isinstance(other, bool):
        return isinstance(one, bool) and isinstance(other, bool) and one <= other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one <= other
    if isinstance(one, str) and isinstance(other, str):
        return moment(one) and moment(other) and one <= other  # written alike, times sort as text
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys() == _MONEY:
        return one["currency"] == other["currency"] and _least(one["amount"], other["amount"], None)
    return False


def _subset(all_: Any, some: Any) -> bool:
    if not isinstance(all_, list) or not isinstance(some, list):
        return False
    left = [canonical(item) for item in all_]
    for item in map(canonical, some):
        if item not in left:
            return False
        left.remove(item)
    return True


def _inside(outer: Any, inner: Any) -> bool:
    if not isinstance(outer, dict) or not isinstance(inner, dict) or not outer.keys() == inner.keys() == _WINDOW:
        return False
    times = (outer["from"], inner["from"], inner["until"], outer["until"])
    return all(isinstance(time, str) and moment(time) for time in times) and list(times) == sorted(times)


def words_of(kind: DetailType, name: str) -> list[Any] | None:
    """The words of a member that is an enumeration, from least to most."""
    schema = kind.document["schema"]
    member = schema["properties"].get(name, {})
    member = {**schema.get("$defs", {}).get(member.get("$ref", "").rpartition("/")[2], {}), **member}
    words = member.get("enum")
    return words if isinstance(words, list) else None
