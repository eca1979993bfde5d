"""Reasoning over tuples in memory, and how many levels it took."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TypeVar

from remit_server.rules.relations.facts import FEW, Contextual, Fact, Few, Found, Need, Steps
from remit_server.rules.relations.tuples import RelationTuple

T = TypeVar("T")


def tuples(*texts: str) -> list[RelationTuple]:
    """`document:1 viewer user:ada` as tuples; a condition and its context may follow."""
    return [RelationTuple(*text.split(maxsplit=4)) for text in texts]


def answered(steps: Steps[T], stored: Iterable[RelationTuple], few: int = FEW) -> tuple[T, int]:
    """The answer, and how often something was read. More than `few` are not told where few are asked for."""
    held, reads = Contextual(stored), 0
    try:
        wanted = next(steps)
        while True:
            reads += 1
            wanted = steps.send(_found(held, wanted, few))
    except StopIteration as end:
        return end.value, reads


def _found(held: Contextual, wanted: Collection[Need], few: int) -> Found:
    found: dict[Need, Sequence[Fact] | None] = {need: held.over(need, ()) for need in wanted}
    for need in wanted:
        if isinstance(need, Few):  # as storage tells them
            plain = [fact for fact in found[need] or () if not fact[1]]
            found[need] = plain if len(plain) <= few else None
    return found
