"""Reasoning over tuples in memory, and how many levels it took."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from remit_server.rules.relations.facts import Contextual, Steps
from remit_server.rules.relations.tuples import RelationTuple

T = TypeVar("T")


def tuples(*texts: str) -> list[RelationTuple]:
    """`document:1 viewer user:ada` as tuples; a condition and its context may follow."""
    return [RelationTuple(*text.split(maxsplit=4)) for text in texts]


def answered(steps: Steps[T], stored: Iterable[RelationTuple]) -> tuple[T, int]:
    """The answer, and how often something was read."""
    held, reads = Contextual(stored), 0
    try:
        wanted = next(steps)
        while True:
            reads += 1
            wanted = steps.send({need: held.over(need, ()) for need in wanted})
    except StopIteration as end:
        return end.value, reads
