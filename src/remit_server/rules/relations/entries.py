"""Which relations anybody can have at all, and which follow from themselves.

Both in time proportional to the model, since a model is what a stranger may send.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from contextlib import suppress
from functools import cache
from graphlib import CycleError, TopologicalSorter

from remit_server.rules.relations.rewrites import (
    AnyOf,
    Computed,
    Definition,
    Direct,
    Expression,
    From,
    Relation,
    leaves,
    parts,
)

Node = tuple[str, str]
"""(type, relation)."""


class Types:
    """The relations of each type, and where those of other types lead."""

    def __init__(self, definitions: Iterable[Definition]) -> None:
        self.relations: dict[str, dict[str, Relation]] = {}
        self._having: dict[str, set[str]] = defaultdict(set)
        for type_, relations in definitions:
            self.relations.setdefault(type_, {}).update(relations)
            for name in relations:
                self._having[name].add(type_)
        self.parents = cache(self._parents)

    def _parents(self, type_: str, source: str) -> frozenset[str] | None:
        """The types that `from source` leads to. None where it is no direct relation to plain types."""
        relation = self.relations[type_][source]
        if relation.expression != Direct() or any(taken.relation or taken.wildcard for taken in relation.takes):
            return None
        return frozenset(taken.type for taken in relation.takes)

    def reached(self, type_: str, leaf: From) -> list[Node]:
        """What `relation from source` follows from."""
        parents = self.parents(type_, leaf.source) or frozenset()
        return [(parent, leaf.relation) for parent in parents & self._having[leaf.relation]]


def entered(types: Types) -> Set[object]:
    """The relations that somebody can have. What is subtracted must be possible too, as OpenFGA wants it."""
    circuit = _Circuit(types)
    for type_, relations in types.relations.items():
        for name, relation in relations.items():
            circuit.add((type_, name), [circuit.gate(type_, relation, relation.expression)])
    return circuit.opened()


class _Circuit:
    """Each gate waits for one of those that it follows from, or for all of them, and opens those that wait for it."""

    def __init__(self, types: Types) -> None:
        self._types = types
        self._waits: dict[object, int] = {}
        self._opens: dict[object, list[object]] = defaultdict(list)
        self._open: list[object] = []

    def add(self, gate: object, others: Collection[object], *, every: bool = False) -> object:
        self._waits[gate] = len(others) if every else 1
        for other in others:
            self._opens[other].append(gate)
        return gate

    def gate(self, type_: str, relation: Relation, expression: Expression) -> object:
        match expression:
            case Direct():
                gate = self.add(object(), [(taken.type, taken.relation) for taken in relation.takes if taken.relation])
                if any(not taken.relation for taken in relation.takes):
                    self._open.append(gate)
                return gate
            case Computed(name):
                return type_, name
            case From(name, source):
                known = (type_, name, source)
                return known if known in self._waits else self.add(known, self._types.reached(type_, expression))
        joined = [self.gate(type_, relation, part) for part in parts(expression)]
        return self.add(object(), joined, every=not isinstance(expression, AnyOf))

    def opened(self) -> Set[object]:
        opened = set(self._open)
        while self._open:
            for gate in self._opens[self._open.pop()]:
                self._waits[gate] -= 1
                if self._waits[gate] == 0 and gate not in opened:
                    opened.add(gate)
                    self._open.append(gate)
        return opened


def looping(relations: Mapping[str, Relation]) -> set[str]:
    """The relations of a type that lead back to themselves without any tuple."""
    onward = {
        name: {leaf.relation for leaf in leaves(relation.expression) if isinstance(leaf, Computed)}
        for name, relation in relations.items()
    }
    back: dict[str, set[str]] = {name: set() for name in onward}
    for name, others in onward.items():
        for other in others:
            back[other].add(name)
    return set(relations).difference(_peeled(onward), _peeled(back))


def _peeled(graph: Mapping[str, set[str]]) -> Iterator[str]:
    """What leads to no cycle."""
    sorter = TopologicalSorter(graph)
    with suppress(CycleError):
        sorter.prepare()
    while ready := sorter.get_ready():
        sorter.done(*ready)
        yield from ready
