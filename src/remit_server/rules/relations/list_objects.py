"""To which objects of a type has this subject a relation? All of them, or a mark that some may be missing."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, NamedTuple

from remit_server.errors import InvalidRequest
from remit_server.rules.relations.check import Asker, check
from remit_server.rules.relations.conditions import Unevaluable
from remit_server.rules.relations.facts import Steps
from remit_server.rules.relations.model import Model
from remit_server.rules.relations.reach import reach

AT_ONCE: Final = 2_000
"""Candidates that are checked as one graph, so that many of them stay within its breadth."""


class Listed(NamedTuple):
    found: list[str]
    """Sorted."""
    partial: bool = False
    """A limit was met: there may be more."""


def list_objects(
    model: Model, asker: Asker, type_: str, relation: str, tell: Callable[[Collection[str]], object] | None = None
) -> Steps[Listed]:
    """All objects `type_:id` for which `check` says yes. Whoever streams has `tell` called with them as they are proved.

    Raises what `check` says of an object instead of yes or no: a condition that cannot be evaluated, too complex.
    """
    told: set[str] = set()

    def news(objects: Collection[str]) -> None:
        fresh = set(objects) - told
        told.update(fresh)
        if tell and fresh:
            tell(fresh)

    try:
        reached = yield from reach(model, asker, (type_, relation), tell=news)
    except Unevaluable:  # it matters only for an object that nothing else decides
        reached = yield from reach(model, asker, (type_, relation), bold=True, tell=news)
    candidates = sorted(reached.objects - told)
    for first in range(0, len(candidates), AT_ONCE):
        some = candidates[first : first + AT_ONCE]
        verdicts = yield from check(model, asker, [(object_, relation) for object_ in some])
        allowed = []
        for object_, verdict in zip(some, verdicts, strict=True):
            if isinstance(verdict, InvalidRequest):
                raise verdict
            if verdict:
                allowed.append(object_)
        news(allowed)
    return Listed(sorted(told), reached.partial)
