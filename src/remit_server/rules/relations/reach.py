"""What a subject reaches: the graph of relations walked backwards, from the subject to objects, a level at a time.

Sets of objects flow through a circuit (circuits.py), so `and` is an intersection and `but not` a difference. A difference
waits until all that it takes away is known, while everything else goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from math import inf
from typing import Final, NamedTuple

from remit_server.rules.relations.check import Asker
from remit_server.rules.relations.circuits import Circuit, Hop, circuit
from remit_server.rules.relations.conditions import Unevaluable
from remit_server.rules.relations.ends import Key
from remit_server.rules.relations.facts import Fact, Found, Held, Steps
from remit_server.rules.relations.model import Model
from remit_server.rules.relations.programs import Kinds
from remit_server.rules.relations.tuples import kind_of

DEEPEST: Final = 100
"""Levels. Nothing recurses here and what was seen is not seen twice, so a deep tree needs no error, as in OpenFGA."""
BROADEST: Final = 500_000
"""Objects at all vertices together."""


class Reached(NamedTuple):
    objects: set[str]
    """All that were found."""
    proved: set[str]
    """Those among them that need no check."""
    partial: bool
    """The limits of breadth or depth were met; there may be more."""


def reach(
    model: Model,
    asker: Asker,
    target: Key,
    *,
    bold: bool = False,
    tell: Callable[[Collection[str]], object] | None = None,
) -> Steps[Reached]:
    """The objects that a subject has a relation to; `tell` is told those that are proved as they are found.

    Raises `Unevaluable` for a condition that cannot be evaluated; the bold take it as met, and prove nothing.
    """
    reaching = _Reaching(model, asker, circuit(model, kind_of(asker.subject), target, bold=bold))
    partial = yield from reaching.run(tell)
    return Reached(reaching.objects, reaching.proved, partial)


class _Reaching:
    def __init__(self, model: Model, asker: Asker, plan: Circuit) -> None:
        self._model, self._asker, self._circuit = model, asker, plan
        self._target = plan.relations[plan.target]
        self._sure = self._target not in plan.loose
        self._have: list[set[str]] = [set() for _ in plan.feeds]
        self._waiting = set(plan.less)
        """The subtractions that do not know yet all that they take away."""
        self._reads: dict[Held, list[Hop]] = {}
        self._size = 0
        self.objects = self._have[self._target]
        self.proved = self.objects if self._sure else set()

    def run(self, tell: Callable[[Collection[str]], object] | None = None) -> Steps[bool]:
        """Whether the limits were met before the end."""
        self._begin()
        told: set[str] = set()
        for _ in range(DEEPEST):
            self._settle()
            if tell and (news := self.proved - told):
                told |= news
                tell(news)
            if not self._reads:
                return False
            if self._size > BROADEST:
                return True
            self._take((yield self._reads.keys()))
        self._settle()
        return bool(self._reads)

    def _begin(self) -> None:
        subject = self._asker.subject
        for kind, hop in self._circuit.starts:
            named = subject if kind == self._circuit.kind else kind  # `user:*` is both kind and subject
            self._reads.setdefault(Held(named, hop.relation, hop.type), []).append(hop)
        object_, mark, relation = subject.partition("#")
        itself = self._circuit.relations.get((object_.partition(":")[0], relation)) if mark else None
        if itself is not None:
            self._flow(itself, {object_})
            if itself == self._target:
                self.proved.add(object_)

    def _take(self, found: Found) -> None:
        reads, self._reads = self._reads, {}
        contextual = self._asker.contextual
        gained: dict[tuple[int, bool], set[str]] = {}
        for need, hops in reads.items():
            facts: Sequence[Fact] = found.get(need) or ()
            if contextual:
                facts = contextual.over(need, facts)
            if facts:
                for hop in hops:
                    gained.setdefault((hop.into, hop.proves), set()).update(self._counting(facts, hop.conditions))
        for (into, proves), objects in gained.items():
            if into == self._target and proves and not self._sure:
                self.proved |= objects
            self._flow(into, objects)

    def _counting(self, facts: Sequence[Fact], conditions: Kinds) -> list[str]:
        objects = [other for other, condition, _ in facts if not condition] if "" in conditions else []
        for object_, condition, context in facts:
            if condition and condition in conditions and self._holds(condition, context):
                objects.append(object_)
        return objects

    def _holds(self, condition: str, context: str) -> bool:
        try:
            return bool(self._model.conditions[condition].evaluate(context, self._asker.context))
        except Unevaluable:
            if self._circuit.bold:
                return True
            raise

    def _flow(self, vertex: int, objects: set[str]) -> None:
        waiting = [(vertex, objects)]
        while waiting:
            vertex, objects = waiting.pop()
            fresh = objects - self._have[vertex]
            if not fresh:
                continue
            self._have[vertex] |= fresh
            self._size += len(fresh)
            for hop in self._circuit.hops[vertex]:
                for object_ in fresh:
                    need = Held(object_ + hop.suffix, hop.relation, hop.type)
                    self._reads.setdefault(need, []).append(hop)
            for into in self._circuit.feeds[vertex]:
                if into == self._target and not self._sure and vertex not in self._circuit.loose:
                    self.proved |= fresh
                waiting.append((into, self._through(vertex, fresh, into)))

    def _through(self, vertex: int, fresh: set[str], into: int) -> set[str]:
        if parts := self._circuit.every.get(into):
            return fresh.intersection(*(self._have[part] for part in parts))
        if pair := self._circuit.less.get(into):
            base, without = pair
            return fresh - self._have[without] if vertex == base and into not in self._waiting else set()
        return fresh

    def _settle(self) -> None:
        """Let go on what waited for a subtrahend that is complete by now."""
        strata, less = self._circuit.strata, self._circuit.less
        while self._waiting:
            reading = min((strata[hop.into] for hops in self._reads.values() for hop in hops), default=inf)
            open_ = min(reading, *(strata[vertex] for vertex in self._waiting))
            ready = [vertex for vertex in self._waiting if strata[less[vertex][1]] < open_]
            if not ready:
                return
            for vertex in ready:
                self._waiting.remove(vertex)
                base, without = less[vertex]
                self._flow(vertex, self._have[base] - self._have[without])
