"""Which relations a kind of subject can have at all, in time proportional to the model, since a model is what a stranger sends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from functools import lru_cache
from typing import Final

from remit_server.rules.relations.model import AllOf, ButNot, Computed, Direct, Expression, From, Model, Relation
from remit_server.rules.relations.rewrites import parts

Key = tuple[str, str]
"""(type, relation)."""
KEPT: Final = 100
"""Kinds whose relations are remembered."""


class Ends:
    """Gates that wait for one of their inputs, or for all of them. What a kind of subject can have opens from its tuples on."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._relations = {(type_, name) for type_, relations in model.types.items() for name in relations}
        self._waits: dict[object, int] = {}
        self._opens: dict[object, list[object]] = defaultdict(list)
        self._taking: dict[str, list[object]] = defaultdict(list)
        for type_, name in self._relations:
            self._taking[f"{type_}#{name}"].append((type_, name))  # a userset stands in itself
            relation = model.types[type_][name]
            self._add((type_, name), [self._gate(type_, relation, relation.expression)])
        self.of = lru_cache(KEPT)(self._of)

    def _of(self, kind: str) -> Collection[Key]:
        """The relations that such a subject, by name or as one of everybody, can have."""
        waits = dict(self._waits)
        opened: set[object] = set()
        open_ = [*self._taking.get(kind, ()), *(self._taking.get(f"{kind}:*", ()) if "#" not in kind else ())]
        while open_:
            gate = open_.pop()
            if gate not in opened:
                opened.add(gate)
                for after in self._opens.get(gate, ()):
                    waits[after] -= 1
                    if waits[after] <= 0:
                        open_.append(after)
        return self._relations & opened

    def _add(self, gate: object, inputs: Collection[object], *, every: bool = False) -> object:
        self._waits[gate] = len(inputs) if every else 1
        for one in inputs:
            self._opens[one].append(gate)
        return gate

    def _gate(self, type_: str, relation: Relation, part: Expression) -> object:
        match part:
            case Computed(other):
                return type_, other
            case From(other, source):
                known = (type_, other, source)
                if known not in self._waits:
                    along = self._model.relation(type_, source)
                    self._add(known, [(kind, other) for kind in (along.kinds if along else ())])
                return known
            case Direct():
                gate = self._add(object(), [tuple(kind.split("#")) for kind in relation.kinds if "#" in kind])
                for kind in relation.kinds:
                    self._taking[kind].append(gate)
                return gate
            case ButNot(base, _):
                return self._gate(type_, relation, base)
        joined = [self._gate(type_, relation, one) for one in parts(part)]
        return self._add(object(), joined, every=isinstance(part, AllOf))
