"""The plans of a model (programs.py) as a circuit, in which objects flow from a subject on.

Each relation is a vertex that gathers objects. They flow from vertex to vertex, as they are (`editor`) or along tuples
(`viewer from parent`, `group#member`). Where parts meet there is a vertex for the whole: an intersection or a difference.

Not everything is worth listing backwards: who may see what is "public, and of my folder" would list all that is public. Such
a part is left out, and what comes out there is a candidate, which somebody has to check. So are objects behind a subtraction
that stands on itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from remit_server.rules.relations.ends import Key
from remit_server.rules.relations.model import Model
from remit_server.rules.relations.programs import (
    Along,
    Either,
    Every,
    Kinds,
    Plan,
    Same,
    Tuples,
    Without,
    plan_leaves,
    programs,
)


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
    """How subjects of one kind come to have a relation. Made once, then only read."""

    def __init__(self, model: Model, kind: str, target: Key, *, bold: bool) -> None:
        self.kind, self.target, self.bold = kind, target, bold
        self._types, self._programs = model.types, programs(model)
        self.relations: dict[Key, int] = {}
        self.feeds: list[list[int]] = []
        self.hops: list[list[Hop]] = []
        self.starts: list[Start] = []
        self.every: dict[int, tuple[int, ...]] = {}
        self.less: dict[int, tuple[int, int]] = {}
        """What is taken from what, where both are listed."""
        self._guessing: set[int] = set()
        self._priced: dict[str, dict[str, int]] = {}
        self._unbuilt: list[Key] = []
        self._relation(target)
        while self._unbuilt:
            key = self._unbuilt.pop()
            if plan := self._programs.plan(*key, kind):
                self._build(plan, key[0], self.relations[key])
        self.strata = self._stratified()
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
        costs = [self._cost(part, type_) for part in parts]
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

    def _cost(self, plan: Plan, type_: str) -> int:
        """How much a plan may list: what is given to the subject, all that lies in something, all that is for everybody."""
        match plan:
            case Tuples(_, exact, _):
                return _EVERYBODY if any(kind.endswith(":*") for kind, _ in exact) else _GIVEN
            case Along():
                return _INSIDE
            case Same(relation):
                return self._prices(type_)[relation]
            case Either(parts):
                return max(self._cost(part, type_) for part in parts)
            case Every(parts):
                return min(self._cost(part, type_) for part in parts)
            case Without(base, _):
                return self._cost(base, type_)

    def _prices(self, type_: str) -> Mapping[str, int]:
        """What each relation of a type costs: the least that fits all of them, since they may stand on one another."""
        if type_ in self._priced:
            return self._priced[type_]
        plans = {name: plan for name in self._types[type_] if (plan := self._programs.plan(type_, name, self.kind))}
        prices = self._priced[type_] = dict.fromkeys(self._types[type_], _GIVEN)
        behind: dict[str, list[str]] = {name: [] for name in prices}
        for name, plan in plans.items():
            for leaf in plan_leaves(plan):
                if isinstance(leaf, Same):
                    behind[leaf.relation].append(name)
        waiting = list(plans)
        while waiting:
            name = waiting.pop()
            if (cost := self._cost(plans[name], type_)) > prices[name]:
                prices[name] = cost
                waiting += behind[name]
        return prices

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
        edges = [*self._edges()][::-1]  # what was built last feeds what was built first
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
        """Where there are but candidates. What would be taken away by candidates is a candidate, too."""
        if self.bold:
            return set(range(len(self.feeds)))
        loose: set[int] = set()
        waiting = [*self._guessing]
        while waiting:
            vertex = waiting.pop()
            if vertex in loose:
                continue
            loose.add(vertex)
            waiting += [*self.feeds[vertex], *(hop.into for hop in self.hops[vertex])]
            self._let_pass([into for into in self.feeds[vertex] if into in self.less and self.less[into][1] == vertex])
        return loose


_GIVEN, _INSIDE, _EVERYBODY = range(3)


@lru_cache(maxsize=1024)
def circuit(model: Model, kind: str, target: Key, *, bold: bool = False) -> Circuit:
    """How subjects of one kind come to have this relation. A bold circuit subtracts nothing, and finds only candidates."""
    return Circuit(model, kind, target, bold=bold)
