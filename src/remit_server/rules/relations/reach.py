"""What a subject reaches: the graph of relations walked backwards, from the subject to objects, a level at a time.

The plans of a model (programs.py) become a circuit: each relation is a vertex that gathers objects, and objects flow from
vertex to vertex, as they are (`editor`) or along tuples (`viewer from parent`, `group#member`). Sets flow, not objects, so
`and` is an intersection and `but not` a difference. A difference waits until all that it takes away is known, while
everything else goes on.

Not everything is worth listing backwards: who may see what is "public, and of my folder" would list all that is public. Such
a part is left out, and what comes out there is a candidate, which somebody has to check. So are objects behind a subtraction
that stands on itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import lru_cache
from math import inf
from typing import Final, NamedTuple

from remit_server.rules.relations.check import Asker
from remit_server.rules.relations.conditions import Unevaluable
from remit_server.rules.relations.facts import Fact, Found, Held, Steps
from remit_server.rules.relations.model import Model
from remit_server.rules.relations.programs import (
    Along,
    Either,
    Every,
    Key,
    Kinds,
    Plan,
    Same,
    Tuples,
    Without,
    programs,
)
from remit_server.rules.relations.tuples import kind_of

DEEPEST: Final = 100
"""Levels. Nothing recurses here and what was seen is not seen twice, so a deep tree needs no error, as in OpenFGA."""
BROADEST: Final = 500_000
"""Objects at all vertices together."""


class Hop(NamedTuple):
    """Objects of one vertex lead to objects of another, along tuples whose subject is the object with `suffix`."""

    suffix: str
    relation: str
    type: str
    conditions: Kinds
    into: int
    proves: bool = True


class Start(NamedTuple):
    """Tuples that name the subject itself, or (`kind` says so) everybody of its type."""

    kind: str
    hop: Hop


class Circuit:
    """How subjects of one kind come to have some relations. Made once, then only read."""

    def __init__(self, model: Model, kind: str, wanted: Collection[Key], *, bold: bool) -> None:
        self.kind, self.bold = kind, bold
        self._programs = programs(model)
        self.relations: dict[Key, int] = {}
        self.feeds: list[list[int]] = []
        self.hops: list[list[Hop]] = []
        self.starts: list[Start] = []
        self.every: dict[int, tuple[int, ...]] = {}
        self.less: dict[int, tuple[int, int]] = {}
        """What is taken from what, where both are listed."""
        self._guessing: set[int] = set()
        self._unbuilt: list[Key] = []
        for key in wanted:
            self._relation(key)
        while self._unbuilt:
            key = self._unbuilt.pop()
            if plan := self._programs.plan(*key, kind):
                self._build(plan, key[0], self.relations[key])
        self.strata = self._stratified()
        while loose := [vertex for vertex, (_, without) in self.less.items() if without in self._loose()]:
            self._let_pass(loose)
        self.loose = self._loose()
        """The vertices at which objects are but candidates."""
        for vertex, hops in enumerate(self.hops):
            self.hops[vertex] = [hop._replace(proves=vertex not in self.loose) for hop in hops]

    def _vertex(self) -> int:
        self.feeds.append([])
        self.hops.append([])
        return len(self.feeds) - 1

    def _relation(self, key: Key) -> int:
        if key not in self.relations:
            self.relations[key] = self._vertex()
            self._unbuilt.append(key)
        return self.relations[key]

    def _build(self, plan: Plan, type_: str, into: int) -> None:
        match plan:
            case Tuples(relation, exact, usersets):
                for kind, conditions in exact:
                    if "#" not in kind:  # a userset stands in itself: it hops
                        self.starts.append(Start(kind, Hop("", relation, type_, conditions, into, not self.bold)))
                for kind, conditions in usersets:
                    other, _, name = kind.partition("#")
                    self._hop((other, name), Hop(f"#{name}", relation, type_, conditions, into))
            case Same(relation):
                self.feeds[self._relation((type_, relation))].append(into)
            case Along(relation, source, kinds):
                for kind, conditions in kinds:
                    self._hop((kind, relation), Hop("", source, type_, conditions, into))
            case Either(parts):
                for part in parts:
                    self._build(part, type_, into)
            case Every(parts):
                self._every(parts, type_, into)
            case Without(base, without):
                self._without(base, without, type_, into)

    def _hop(self, key: Key, hop: Hop) -> None:
        self.hops[self._relation(key)].append(hop)

    def _part(self, plan: Plan, type_: str, into: int) -> int:
        vertex = self._vertex()
        self._build(plan, type_, vertex)
        self.feeds[vertex].append(into)
        return vertex

    def _every(self, parts: Sequence[Plan], type_: str, into: int) -> None:
        """All parts that are cheap to list; if none is, the cheapest."""
        costs = [self._cost(part, type_, set()) for part in parts]
        least = min(costs)
        listed = [part for part, cost in zip(parts, costs, strict=True) if cost == least]
        if least:
            del listed[1:]
        vertex = self._vertex()
        self.every[vertex] = tuple(self._part(part, type_, vertex) for part in listed)
        self.feeds[vertex].append(into)
        if len(listed) < len(parts):
            self._guessing.add(vertex)

    def _without(self, base: Plan, without: Plan, type_: str, into: int) -> None:
        vertex = self._vertex()
        left = self._part(base, type_, vertex)
        self.feeds[vertex].append(into)
        if self.bold:
            self._guessing.add(vertex)
        else:
            self.less[vertex] = left, self._part(without, type_, vertex)

    def _cost(self, plan: Plan, type_: str, seen: set[Key]) -> int:
        """How much a plan may list: what is given to the subject, all that lies in something, all that is for everybody."""
        match plan:
            case Tuples(_, exact, _):
                return _EVERYBODY if any(kind.endswith(":*") for kind, _ in exact) else _GIVEN
            case Along():
                return _INSIDE
            case Same(relation):
                key = (type_, relation)
                inner = None if key in seen else self._programs.plan(*key, self.kind)
                return self._cost(inner, type_, seen | {key}) if inner else _GIVEN
            case Either(parts):
                return max(self._cost(part, type_, seen) for part in parts)
            case Every(parts):
                return min(self._cost(part, type_, seen) for part in parts)
            case Without(base, _):
                return self._cost(base, type_, seen)

    def _edges(self) -> Iterator[tuple[int, int, bool]]:
        """From where to where objects flow, and whether to be taken away."""
        for vertex, feeds in enumerate(self.feeds):
            for into in feeds:
                yield vertex, into, into in self.less and self.less[into][1] == vertex
        for vertex, hops in enumerate(self.hops):
            for hop in hops:
                yield vertex, hop.into, False

    def _stratified(self) -> list[int]:
        """How many subtractions lie before each vertex. One that stands on itself does not subtract."""
        edges = list(self._edges())
        strata = [0] * len(self.feeds)
        grown = True
        while grown:
            grown = False
            for vertex, into, taken in edges:
                if strata[into] < (least := strata[vertex] + taken):
                    strata[into], grown = least, True
            endless = [vertex for vertex in self.less if strata[vertex] > len(self.less)]
            if endless:
                self._let_pass(endless)
                return self._stratified()
        return strata

    def _let_pass(self, vertices: Collection[int]) -> None:
        """What cannot be taken away here is left for a check."""
        for vertex in vertices:
            _, without = self.less.pop(vertex)
            self.feeds[without].remove(vertex)
            self._guessing.add(vertex)

    def _loose(self) -> set[int]:
        if self.bold:
            return set(range(len(self.feeds)))
        loose = set(self._guessing)
        grown = -1
        while grown != len(loose):
            grown = len(loose)
            loose |= {into for vertex, into, _ in self._edges() if vertex in loose}
        return loose


_GIVEN, _INSIDE, _EVERYBODY = range(3)


@lru_cache(maxsize=1024)
def circuit(model: Model, kind: str, wanted: frozenset[Key], *, bold: bool = False) -> Circuit:
    """For subjects of one kind. A bold one subtracts nothing: all that it finds are candidates."""
    return Circuit(model, kind, wanted, bold=bold)


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
    reaching = _Reaching(model, asker, circuit(model, kind_of(asker.subject), frozenset({target}), bold=bold), target)
    partial = yield from reaching.run(tell)
    return Reached(reaching.objects(target), reaching.proved, partial)


class _Reaching:
    def __init__(self, model: Model, asker: Asker, plan: Circuit, target: Key | None = None) -> None:
        self._model, self._asker, self._circuit = model, asker, plan
        self._target = plan.relations[target] if target else None
        self._sure = self._target is not None and self._target not in plan.loose
        self._have: list[set[str]] = [set() for _ in plan.feeds]
        self._waiting = set(plan.less)
        """The subtractions that do not know yet all that they take away."""
        self._reads: dict[Held, list[Hop]] = {}
        self._size = 0
        self.proved: set[str] = self._have[self._target] if self._sure and self._target is not None else set()

    def objects(self, key: Key) -> set[str]:
        return self._have[self._circuit.relations[key]]

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
