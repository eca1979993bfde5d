"""What a person may change on the card, as fields; and what they typed there, as the details that they approve.

Nothing is judged here: `rules/editing.py` does that. A field that was not sent stays as it was asked, so the card works as well
where nobody opened the part with the fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from msgspec import Struct

from remit_server.errors import InvalidDetails
from remit_server.records import Approval, DetailType
from remit_server.rules.details import Details, moment
from remit_server.rules.enforcing import words_of
from remit_server.rules.reading import NO_MINOR_UNITS, PLACE, THREE_MINOR_DIGITS, formatted, money, values_of
from remit_server.ui.views.approvals import Field, Option
from remit_server.wire.form import Form

MOST_OPTIONS: Final = 40
"""Boxes that a form has room for; longer lists are approved whole or not."""
_NUMBER: Final = re.compile(r"[0-9][0-9 ,']{0,20}(?:\.([0-9]{1,3}))?")


class Editable(Struct, frozen=True, kw_only=True):
    """One value that may be made less. `path` leads to it within a detail: a member, or one within a window."""

    place: int
    """Which of the details."""
    path: tuple[str, ...]
    direction: str
    kind: DetailType
    asked: Any

    @property
    def name(self) -> str:
        """Of its field."""
        return ".".join((f"e{self.place}", *self.path))


def editables(approval: Approval, types: Mapping[str, DetailType]) -> Iterator[Editable]:
    """What may be changed, in the order in which the type lists it."""
    for place, detail in enumerate(approval.details):
        kind = types.get(detail["type"])
        for member, direction in (kind.document.get("editable", {}) if kind else {}).items():
            if kind is None or member not in detail:
                continue
            asked = detail[member]
            if direction == "within":
                for end, way in (("from", "later"), ("until", "earlier")):
                    yield Editable(place=place, path=(member, end), direction=way, kind=kind, asked=asked[end])
            elif direction != "subset" or 1 < len(asked) <= MOST_OPTIONS:
                yield Editable(place=place, path=(member,), direction=direction, kind=kind, asked=asked)


def edited(approval: Approval, form: Form, types: Mapping[str, DetailType]) -> Details:
    """The details as the form has them. Raises `InvalidDetails` for what is no value of its kind."""
    details = [dict(detail) for detail in approval.details]
    for each in editables(approval, types):
        if not form.has(each.name):
            continue
        member, *end = each.path
        value = _read(each, form)
        details[each.place][member] = {**details[each.place][member], end[0]: value} if end else value
    return tuple(details)


def fields(approval: Approval, types: Mapping[str, DetailType], sent: Form | None = None) -> tuple[Field, ...]:
    """The fields of the card. `sent` is what the person typed, when it could not be taken."""
    return tuple(_field(each, sent if sent and sent.has(each.name) else None) for each in editables(approval, types))


def touched(approval: Approval, sent: Form, types: Mapping[str, DetailType]) -> bool:
    """Whether something in the fields is not as it was asked."""
    try:
        return edited(approval, sent, types) != approval.details
    except InvalidDetails:
        return True


def label_of(path: str, kind: DetailType) -> str:
    """What the card calls a value: the label of the first fact that shows it."""
    for fact in kind.document["facts"]:
        if any(each == path or each.startswith(f"{path}.") for each, _ in PLACE.findall(fact["value"])):
            return str(fact["label"])
    return path


def _field(each: Editable, sent: Form | None) -> Field:
    label = label_of(".".join(each.path), each.kind)
    typed = sent.get(each.name) or "" if sent else None
    kind, value, hint, options = _shape(each)
    if sent and kind == "boxes":
        options = tuple(
            Option(value=o.value, label=o.label, chosen=sent.has(f"{each.name}.{o.value}")) for o in options
        )
    elif sent and kind == "choice":
        options = tuple(Option(value=o.value, label=o.label, chosen=o.value == typed) for o in options)
    return Field(
        name=each.name, label=label, kind=kind, value=value if typed is None else typed, hint=hint, options=options
    )


_Shape = tuple[Literal["number", "money", "time", "boxes", "choice"], str, str, tuple[Option, ...]]


def _shape(each: Editable) -> _Shape:
    asked, words = each.asked, words_of(each.kind, each.path[0]) if len(each.path) == 1 else None
    least = "at most" if each.direction == "down" else "at least"
    if isinstance(asked, list):
        options = tuple(Option(value=str(n), label=str(item), chosen=True) for n, item in enumerate(asked))
        return "boxes", "", "Untick what should be left out.", options
    if words is not None or isinstance(asked, bool):
        ordered: list[Any] = words if words is not None else [False, True]
        at = ordered.index(asked)
        less = ordered[: at + 1] if each.direction == "down" else ordered[at:]
        return (
            "choice",
            "",
            "",
            tuple(Option(value=_word(item), label=_told(each, item), chosen=item == asked) for item in less),
        )
    if isinstance(asked, dict):
        text = money(asked["amount"], asked["currency"])
        return "money", major(asked["amount"], asked["currency"]), f"In {asked['currency']}, {least} {text}.", ()
    if isinstance(asked, str):
        when = "not after" if each.direction == "earlier" else "not before"
        return "time", asked.removesuffix("Z").removesuffix(":00"), f"UTC, {when} {formatted(asked, 'time')}.", ()
    return "number", str(asked), f"A whole number, {least} {asked:,}.", ()


def _read(each: Editable, form: Form) -> Any:
    asked, typed = each.asked, (form.get(each.name) or "").strip()
    if isinstance(asked, list):
        return [item for n, item in enumerate(asked) if form.has(f"{each.name}.{n}")]
    if isinstance(asked, bool):
        return typed == _word(True)
    if isinstance(asked, dict):
        return {**asked, "amount": minor(typed, asked["currency"], _label(each))}
    if isinstance(asked, int):
        return whole(typed, _label(each))
    if words_of(each.kind, each.path[0]) is not None:
        return typed
    return _moment(each, typed)


def minor(typed: str, currency: str, label: str) -> int:
    """An amount as people type it, in minor units: 1,250.5 EUR is 125050. Raises `InvalidDetails` that begins with the label."""
    found, digits = _NUMBER.fullmatch(typed.strip()), _digits(currency)
    if found is None or len(found.group(1) or "") > digits:
        raise InvalidDetails(f"{label}: {typed!r} is no amount in {currency}.")
    number, _, rest = re.sub("[ ,']", "", typed).partition(".")
    return int(number + rest.ljust(digits, "0"))


def whole(typed: str, label: str) -> int:
    """A whole number as people type it. Raises `InvalidDetails` that begins with the label."""
    found = _NUMBER.fullmatch(typed.strip())
    if found is None or found.group(1):
        raise InvalidDetails(f"{label}: {typed!r} is no whole number.")
    return int(re.sub("[ ,']", "", typed))


def major(amount: int, currency: str) -> str:
    """Minor units as a field takes them: 41.20."""
    return money(amount, currency).removesuffix(f" {currency}").replace(",", "")


def _moment(each: Editable, typed: str) -> str:
    """A time as a field of a browser sends it, without its seconds where they are none."""
    text = f"{typed}:00Z" if len(typed) == len("2026-12-01T09:00") else f"{typed}Z"
    if not moment(text):
        raise InvalidDetails(f"{_label(each)}: {typed!r} is no time.")
    return text


def _label(each: Editable) -> str:
    return label_of(".".join(each.path), each.kind)


def _word(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _told(each: Editable, value: Any) -> str:
    """A choice in the words of the fact that shows it."""
    path = each.path[0]
    for fact in each.kind.document["facts"]:
        if fact["value"].startswith(f"{{{path}") and fact["value"].endswith("}") and fact["value"].count("{") == 1:
            ((_, how),) = PLACE.findall(fact["value"])
            return formatted(values_of({path: value}, each.kind)[path], how)
    return _word(value)


def _digits(currency: str) -> int:
    return 0 if currency in NO_MINOR_UNITS else 3 if currency in THREE_MINOR_DIGITS else 2
