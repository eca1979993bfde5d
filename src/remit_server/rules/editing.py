"""What a person may change while approving: only what the type lets them, and only to less."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from remit_server.errors import InvalidDetails
from remit_server.records import DetailType
from remit_server.rules.details import Details, canonical, digest, fits, parse
from remit_server.rules.enforcing import difference
from remit_server.rules.reading import read


class Edited(Struct, frozen=True, kw_only=True):
    """What is approved in place of what was asked."""

    details: Details
    canonical: bytes
    """RFC 8785."""
    digest: str
    changes: tuple[str, ...]
    """`Shares: 10 × ZEKO → 8 × ZEKO`, for the trail and the agent; none when nothing was changed."""


def judge(asked: Details, edited: Details, types: Mapping[str, DetailType]) -> Edited:
    """The edited request, one detail in the place of each that was asked.

    Whatever `enforcing.difference` lets pass under the result it lets pass under what was asked. Raises `InvalidDetails` that
    names the type and the member.
    """
    edited = tuple(parse(canonical(list(edited)).decode()))  # as a request is read: 8.0 is 8
    if len(asked) != len(edited):
        raise InvalidDetails("An edit changes what was asked; it adds nothing and leaves nothing out.")
    changes: list[str] = []
    for before, after in zip(asked, edited, strict=True):
        if canonical(before) != canonical(after):
            changes += _judge_one(before, after, types.get(before["type"]))
    return Edited(details=edited, canonical=canonical(list(edited)), digest=digest(edited), changes=tuple(changes))


def _judge_one(before: dict[str, Any], after: dict[str, Any], kind: DetailType | None) -> list[str]:
    name = before["type"]
    if kind is None or after.get("type") != name:
        raise InvalidDetails(f"A request of type {name!r} cannot be edited into this.")
    fits(after, kind)
    editable = kind.document.get("editable", {})
    for member in sorted(before.keys() | after.keys()):
        same = member in before and member in after and canonical(before[member]) == canonical(after[member])
        if not same and member not in editable:
            raise InvalidDetails(f"In a request of type {name!r}, {member} cannot be edited.")
    if wider := difference(kind, before, after):
        raise InvalidDetails(f"In a request of type {name!r}, {wider} can only be edited {editable[wider]}.")
    return _in_words(before, after, kind)


def _in_words(before: dict[str, Any], after: dict[str, Any], kind: DetailType) -> list[str]:
    was = {line.label: line.value for line in read(before, kind).lines}
    return [
        f"{line.label}: {was.get(line.label, 'nothing')} → {line.value}"
        for line in read(after, kind).lines
        if was.get(line.label) != line.value
    ]
