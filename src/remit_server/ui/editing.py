"""What a person may change on the card, as fields; and what they typed there, as the details that they approve.

`rules/editing.py` judges; here its refusals get the words of the card. A field that was not sent stays as it was asked, so the
card works as well where nobody opened the part with the fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from msgspec import Struct

from remit_server.errors import InvalidDetails
from remit_server.records import Approval, DetailType
from remit_server.rules import editing as rules
from remit_server.rules.details import Details
from remit_server.rules.enforcing import words_of
from remit_server.rules.reading import NO_MINOR_UNITS, PLACE, THREE_MINOR_DIGITS, formatted, money, values_of
from remit_server.ui.views.approvals import Field, Option
from remit_server.wire.form import Form

MOST_OPTIONS: Final = 40
"""Boxes that a form has room for; longer lists are approved whole or not."""
_NUMBER: Final = re.compile(r"(?:[0-9]{1,15}|[0-9]{1,3}(?:[ ,'][0-9]{3}){1,4})(?:\.([0-9]{1,3}))?")
"""A comma groups thousands: where somebody means 1,5 as one and a half, it is no number."""


def version(form: Form) -> int:
    """Of the request, as the card was shown; what is no number of ours is no version that a card has shown."""
    typed = form.need("version")
    return int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 10 else -1


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
    """The details as the form has them. Raises `InvalidDetails` that names the field in which something cannot be approved."""
    details = approval.details
    for each in editables(approval, types):
        if not form.has(each.name):
            continue
        try:
            value = _read(each, form)
            rules.judge(approval.details, _with(approval.details, each, value), types)
        except InvalidDetails as error:
            raise InvalidDetails(f"{_label(each)}: {_shape(each).say}", detail=error.text) from error
        details = _with(details, each, value)
    return details


def _with(details: Details, each: Editable, value: Any) -> Details:
    member, *end = each.path
    detail = details[each.place]
    changed = {**detail, member: {**detail[member], end[0]: value} if end else value}
    return (*details[: each.place], changed, *details[each.place + 1 :])


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
    shape = _shape(each)
    options = tuple(
        Option(
            value=option.value,
            label=option.label,
            chosen=(sent.has(f"{each.name}.{option.value}") if shape.kind == "boxes" else option.value == typed)
            if sent
            else option.chosen,
        )
        for option in shape.options
    )
    return Field(
        name=each.name,
        label=label,
        kind=shape.kind,
        value=shape.value if typed is None else typed,
        hint="" if shape.kind == "choice" else shape.say[:1].upper() + shape.say[1:],
        options=options,
    )


class _Shape(Struct, frozen=True):
    """How a field looks, before anybody typed."""

    kind: Literal["number", "money", "time", "boxes", "choice"]
    value: str
    say: str
    """How far it goes."""
    options: tuple[Option, ...] = ()


def _shape(each: Editable) -> _Shape:
    asked, words = each.asked, words_of(each.kind, each.path[0]) if len(each.path) == 1 else None
    least = "at most" if each.direction == "down" else "at least"
    if isinstance(asked, list):
        boxes = tuple(Option(value=str(n), label=str(item), chosen=True) for n, item in enumerate(asked))
        least_one = each.kind.document["schema"]["properties"][each.path[0]].get("minItems", 0) > 0
        say = "untick what should be left out" + (", and leave one at least." if least_one else ".")
        return _Shape("boxes", "", say, boxes)
    if words is not None or isinstance(asked, bool):
        ordered: list[Any] = words if words is not None else [False, True]
        at = ordered.index(asked)
        less = ordered[: at + 1] if each.direction == "down" else ordered[at:]
        choice = tuple(Option(value=_word(item), label=_told(each, item), chosen=item == asked) for item in less)
        return _Shape("choice", "", "choose one of these.", choice)
    if isinstance(asked, dict):
        text, currency = money(asked["amount"], asked["currency"]), asked["currency"]
        return _Shape("money", major(asked["amount"], currency), f"an amount in {currency}, {least} {text}.")
    if isinstance(asked, str):
        when = "not after" if each.direction == "earlier" else "not before"
        value = asked.removesuffix("Z").removesuffix(":00")
        return _Shape("time", value, f"a time in UTC, {when} {formatted(asked, 'time')}.")
    return _Shape("number", str(asked), f"a whole number, {least} {asked:,}.")


def _read(each: Editable, form: Form) -> Any:
    asked, typed = each.asked, (form.get(each.name) or "").strip()
    if isinstance(asked, list):
        return [item for n, item in enumerate(asked) if form.has(f"{each.name}.{n}")]
    if isinstance(asked, bool):
        return typed == _word(True)
    if isinstance(asked, dict):
        return {**asked, "amount": minor(typed, asked["currency"])}
    if isinstance(asked, int):
        return whole(typed)
    if words_of(each.kind, each.path[0]) is not None:
        return typed
    return _moment(typed)


def minor(typed: str, currency: str) -> int:
    """An amount as people type it, in minor units: 1,250.5 EUR is 125050. Raises `InvalidDetails`."""
    found, digits = _NUMBER.fullmatch(typed.strip()), _digits(currency)
    if found is None or len(found.group(1) or "") > digits:
        raise InvalidDetails(f"{typed!r} is no amount in {currency}.")
    number, _, rest = re.sub("[ ,']", "", typed).partition(".")
    return int(number + rest.ljust(digits, "0"))


def whole(typed: str) -> int:
    """A whole number as people type it. Raises `InvalidDetails`."""
    found = _NUMBER.fullmatch(typed.strip())
    if found is None or found.group(1):
        raise InvalidDetails(f"{typed!r} is no whole number.")
    return int(re.sub("[ ,']", "", typed))


def major(amount: int, currency: str) -> str:
    """Minor units as a field takes them: 41.20."""
    return money(amount, currency).removesuffix(f" {currency}").replace(",", "")


def _moment(typed: str) -> str:
    """A time as a field of a browser sends it, without its seconds where they are none."""
    return f"{typed}:00Z" if len(typed) == len("2026-12-01T09:00") else f"{typed}Z"


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
