"""Which relations an act needs: what the organisation declared, with the act's own names and members in its places."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from remit_server.records.organisation import Need

FORM: Final = re.compile(r"(?P<type>[^:#@{}\s]{1,254}):(?P<id>[^#{}\s]*(\{(?P<place>[^{}\s]+)\}[^#{}\s]*)?)")
"""An object as it may be declared: the type stands there as it is, and the id has one place at most, so that no two requests
with different members come to the same object."""


class Unclear(Exception):
    """A detail does not say which object is meant; the answer must be no."""


def needed(
    needs: Iterable[Need],
    *,
    connection: str | None = None,
    audiences: tuple[str, ...] = (),
    scopes: tuple[str, ...] = (),
    details: tuple[Mapping[str, Any], ...] = (),
) -> Iterator[tuple[str, str]]:
    """(relation, object) pairs. Raises `Unclear`."""
    for need in needs:
        if connection is not None and need.connection in {connection, "*"}:
            yield need.relation, need.object.replace("{connection}", connection)
        if need.api in audiences and (need.scope is None or need.scope in scopes):
            yield need.relation, need.object.replace("{scope}", need.scope or "")
        for detail in details:
            if need.details == detail.get("type"):
                yield from ((need.relation, object_) for object_ in _filled(need.object, detail))


def _filled(object_: str, detail: Mapping[str, Any]) -> Iterator[str]:
    form = FORM.fullmatch(object_)
    place = form["place"] if form else None
    if place is None:
        yield object_
        return
    for value in _values([detail], place.split(".")):
        yield object_.replace(f"{{{place}}}", value)


def _values(found: list[Any], path: list[str]) -> list[str]:
    """What stands at the end of a path; a list on the way stands for each of its items. There is one at least, and each is told.
    Raises `Unclear`."""
    for name in path:
        members = [one.get(name) if isinstance(one, Mapping) else None for one in found]
        found = [item for member in members for item in (member if isinstance(member, list) and member else [member])]
    if any(type(one) not in {str, int} or one == "" for one in found):
        raise Unclear(f"{'.'.join(path)} is missing, or not a text or a whole number")
    return [str(one) for one in found]
