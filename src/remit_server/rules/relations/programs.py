"""What of a model matters for one kind of subject: each relation, with every way pruned that could never lead to it.

A question about `user:ada` walks only ways at whose end a `user` can stand. What remains of a relation is its plan: which
tuples to read, and which nodes follow from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

from remit_server.rules.relations.ends import Ends, Key
from remit_server.rules.relations.model import AllOf, AnyOf, ButNot, Computed, Direct, Expression, From, Model, Relation

Kinds = frozenset[str]


@dataclass(frozen=True, slots=True)
class Tuples:
    """Tuples of the relation itself."""

    relation: str
    exact: tuple[tuple[str, Kinds], ...]
    """(kind, conditions) that may name the subject itself: as it is, or as everybody of its type."""
    usersets: tuple[tuple[str, Kinds], ...]
    """(kind, conditions) of usersets in which it may stand."""


@dataclass(frozen=True, slots=True)
class Same:
    """Another relation to the same object."""

    relation: str


@dataclass(frozen=True, slots=True)
class Along:
    """A relation to the objects that stand in `source`."""

    relation: str
    source: str
    kinds: tuple[tuple[str, Kinds], ...]


@dataclass(frozen=True, slots=True)
class Either:
    parts: tuple[Plan, ...]


@dataclass(frozen=True, slots=True)
class Every:
    parts: tuple[Plan, ...]


@dataclass(frozen=True, slots=True)
class Without:
    base: Plan
    without: Plan


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a kind of subject itself can stand, as far as some relations lead there."""

    direct: tuple[tuple[str, str, str], ...]
    """(kind, relation, type) of tuples that name the subject, none of them under a condition."""
    closed: frozenset[Key]
    """Relations that are unions of tuples without conditions, all the way down: who is in them can be told from the subject's
    side alone."""
    at_once: frozenset[Key]
    """Those of them that no userset is in: the subject's own tuples say it all."""
    onward: Mapping[str, tuple[Key, ...]]
    """Which closed relations take a userset of this kind."""
    same: Mapping[Key, tuple[Key, ...]]
    """Which closed relations of an object follow from another of it."""


Plan = Tuples | Same | Along | Either | Every | Without


@dataclass(frozen=True, slots=True)
class Ways:
    """A plan as a union, laid out flat: what is walked for every object of every question."""

    exact: tuple[tuple[str, str, Kinds], ...] = ()
    """(relation, kind, conditions) of tuples that name the subject."""
    usersets: tuple[tuple[str, str, Kinds], ...] = ()
    same: tuple[str, ...] = ()
    along: tuple[tuple[str, str, Kinds, str], ...] = ()
    """(source, kind, conditions, relation)."""
    every: tuple[tuple[Ways, ...], ...] = ()
    without: tuple[tuple[Ways, Ways], ...] = ()
    alone: str = ""
    """The other relation that all of it is, if it is one."""


_UNITED = ("exact", "usersets", "same", "along", "every", "without")


def _ways(plan: Plan) -> Ways:
    match plan:
        case Either(parts):
            found = [_ways(part) for part in parts]
            united: dict[str, Any] = {
                name: tuple(chain.from_iterable(getattr(ways, name) for ways in found)) for name in _UNITED
            }
            return Ways(**united)
        case Tuples(relation, exact, usersets):
            return Ways(tuple((relation, *one) for one in exact), tuple((relation, *one) for one in usersets))
        case Same(relation):
            return Ways(same=(relation,), alone=relation)
        case Along(relation, source, kinds):
            return Ways(along=tuple((source, *one, relation) for one in kinds))
        case Every(parts):
            return Ways(every=(tuple(_ways(part) for part in parts),))
        case Without(base, without):
            return Ways(without=((_ways(base), _ways(without)),))


class Programs:
    """Of one model, made as they are asked for."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._ends = Ends(model)
        self._plans: dict[tuple[str, str, str], Plan | None] = {}
        self._ways: dict[tuple[str, str, str], Ways] = {}
        self._grounds: dict[tuple[str, frozenset[Key]], Ground] = {}

    def plan(self, type_: str, relation: str, kind: str) -> Plan | None:
        """How a subject of this kind may come to have the relation; None where it cannot."""
        key = (type_, relation, kind)
        if key not in self._plans:
            found = self._model.relation(type_, relation)
            self._plans[key] = None if found is None else self._pruned(type_, relation, found, found.expression, kind)
        return self._plans[key]

    def ways(self, type_: str, relation: str, kind: str) -> Ways:
        """The plan, laid out flat; no ways where there is none."""
        found = self._ways.get((type_, relation, kind))
        if found is None:
            plan = self.plan(type_, relation, kind)
            found = self._ways[type_, relation, kind] = Ways() if plan is None else _ways(plan)
        return found

    def leads(self, type_: str, relation: str, kind: str) -> bool:
        """Whether a subject of this kind can have the relation at all."""
        return (type_, relation) in self._ends.of(kind)

    def ground(self, kind: str, roots: frozenset[Key]) -> Ground:
        """Where a subject of this kind can stand below these relations."""
        found = self._grounds.get((kind, roots))
        if found is None:
            found = self._grounds[kind, roots] = _ground(self._below(kind, roots))
        return found

    def _below(self, kind: str, roots: frozenset[Key]) -> dict[Key, list[Plan]]:
        """The leaves of each relation that these lead to, themselves among them."""
        found: dict[Key, list[Plan]] = {}
        waiting = list(roots)
        while waiting:
            key = waiting.pop()
            if key not in found:
                plan = self.plan(*key, kind)
                found[key] = [] if plan is None else [*plan_leaves(plan)]
                waiting += [after for leaf in found[key] for after in _after(key, leaf)]
        return found

    def _pruned(self, type_: str, name: str, relation: Relation, part: Expression, kind: str) -> Plan | None:
        match part:
            case Direct():
                return self._tuples(name, relation, kind)
            case Computed(other):
                return Same(other) if self.leads(type_, other, kind) else None
            case From(other, source):
                return self._along(type_, other, source, kind)
            case AnyOf(parts):
                kept = [plan for one in parts if (plan := self._pruned(type_, name, relation, one, kind))]
                return kept[0] if len(kept) == 1 else Either(tuple(kept)) if kept else None
            case AllOf(parts):
                all_ = [self._pruned(type_, name, relation, one, kind) for one in parts]
                return None if None in all_ else Every(tuple(plan for plan in all_ if plan))
            case ButNot(base, without):
                left = self._pruned(type_, name, relation, base, kind)
                taken = self._pruned(type_, name, relation, without, kind)
                return Without(left, taken) if left and taken else left

    def _tuples(self, name: str, relation: Relation, kind: str) -> Tuples | None:
        names = (kind,) if "#" in kind or kind.endswith(":*") else (kind, f"{kind}:*")
        exact = tuple((one, relation.kinds[one]) for one in names if one in relation.kinds)
        usersets = tuple(
            (one, conditions)
            for one, conditions in relation.kinds.items()
            if "#" in one and self.leads(*_key(one), kind)
        )  # fmt: skip
        return Tuples(name, exact, usersets) if exact or usersets else None

    def _along(self, type_: str, other: str, source: str, kind: str) -> Along | None:
        found = self._model.relation(type_, source)
        kinds = found.kinds.items() if found else ()
        kept = tuple((one, conditions) for one, conditions in kinds if self.leads(one, other, kind))
        return Along(other, source, kept) if kept else None


@lru_cache(maxsize=256)
def programs(model: Model) -> Programs:
    """The programs of a model, which is told from others by identity."""
    return Programs(model)


def plan_leaves(plan: Plan) -> Iterator[Plan]:
    """The tuples that a plan reads and the nodes that it leads to. What is no plain union gives itself away."""
    match plan:
        case Either(parts) | Every(parts):
            if isinstance(plan, Every):
                yield plan
            for part in parts:
                yield from plan_leaves(part)
        case Without(base, without):
            yield plan
            yield from plan_leaves(base)
            yield from plan_leaves(without)
        case _:
            yield plan


def _after(key: Key, leaf: Plan) -> list[Key]:
    match leaf:
        case Same(relation):
            return [(key[0], relation)]
        case Along(relation, _, kinds):
            return [(kind, relation) for kind, _ in kinds]
        case Tuples(_, _, usersets):
            return [_key(kind) for kind, _ in usersets]
    return []


_ALWAYS = frozenset({""})


def _ground(leaves: Mapping[Key, list[Plan]]) -> Ground:
    closed = _standing_alone(leaves, {key for key, found in leaves.items() if all(_plain(leaf) for leaf in found)})
    at_once = _standing_alone(leaves, {key for key in closed if not any(_usersets(leaf) for leaf in leaves[key])})
    onward: dict[str, list[Key]] = {}
    same: dict[Key, list[Key]] = {}
    for key in sorted(closed):
        for leaf in leaves[key]:
            if isinstance(leaf, Same):
                same.setdefault((key[0], leaf.relation), []).append(key)
            elif isinstance(leaf, Tuples):
                for kind, _ in leaf.usersets:
                    onward.setdefault(kind, []).append(key)
    direct = {
        (kind, leaf.relation, key[0])
        for key, found in leaves.items()
        for leaf in found
        if isinstance(leaf, Tuples)
        for kind, conditions in leaf.exact
        if conditions == _ALWAYS
    }
    return Ground(
        tuple(sorted(direct)),
        closed,
        at_once,
        {kind: tuple(keys) for kind, keys in onward.items()},
        {key: tuple(keys) for key, keys in same.items()},
    )


def _standing_alone(leaves: Mapping[Key, list[Plan]], keys: set[Key]) -> frozenset[Key]:
    """Those of the keys that lead to none but themselves and one another."""
    while True:
        kept = {key for key in keys if all(after in keys for leaf in leaves[key] for after in _after(key, leaf))}
        if kept == keys:
            return frozenset(kept)
        keys = kept


def _usersets(leaf: Plan) -> bool:
    return isinstance(leaf, Tuples) and bool(leaf.usersets)


def _plain(leaf: Plan) -> bool:
    """Whether it is a part of a union that a subject's side can tell."""
    match leaf:
        case Same():
            return True
        case Tuples(_, exact, usersets):
            return all(conditions == _ALWAYS for _, conditions in exact + usersets)
    return False


def _key(userset: str) -> Key:
    type_, _, relation = userset.partition("#")
    return type_, relation
