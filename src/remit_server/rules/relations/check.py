"""Has this subject this relation to this object? The reasoning, without the reading.

`check` is a generator: it yields the tuples that it needs next, all at once for a whole level of the graph, is sent who
stands in them, and returns the answer. Whoever drives it reads from a database, from memory, or from both.

What was found is a system of formulas over nodes (object, relation). It is solved from below and from above in turn (the
well-founded semantics): what a subtraction takes away is final before it counts, a cycle grants nothing, and a cycle through
a subtraction denies. The answer comes as soon as nothing that is still unread could change it.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from remit_server.errors import InvalidRequest
from remit_server.rules.relations.model import AllOf, AnyOf, ButNot, Computed, Direct, Expression, From, Model
from remit_server.rules.relations.tuples import RelationTuple, kind_of

DEEPEST: Final = 25
"""Levels of the graph; as many as OpenFGA resolves."""
BROADEST: Final = 20_000
"""Nodes of the graph."""

Node = tuple[str, str]
Found = Mapping[Node, Collection[str]]
"""The subjects of the tuples of each node that was asked for."""


class TooComplex(InvalidRequest):
    code = "authorization_model_resolution_too_complex"
    text = "This cannot be resolved within the limits of depth and breadth."


@dataclass(frozen=True, slots=True)
class _Any:
    parts: tuple[_Formula, ...]


@dataclass(frozen=True, slots=True)
class _All:
    parts: tuple[_Formula, ...]


@dataclass(frozen=True, slots=True)
class _Less:
    base: _Formula
    without: _Formula


_Formula = bool | Node | _Any | _All | _Less


def check(model: Model, asked: RelationTuple) -> Generator[frozenset[Node], Found, bool]:
    """Yields nodes whose tuples are needed, takes their subjects, returns the answer. Raises `TooComplex`.

    Tuples that the model does not take (any more) count for nothing.
    """
    root = (asked.object, asked.relation)
    known: dict[Node, _Formula] = {}
    frontier = _with_computed(model, [root], known)
    for _ in range(DEEPEST):
        found = yield frozenset(need for node in frontier for need in _needs(model, node))
        for node in frontier:
            known[node] = _formula(model, asked.subject, node, found)
        least, most = _bounds(known)
        if root in least:
            return True
        if root not in most:
            return False
        unknown = [node for formula in known.values() for node in _nodes(formula) if node not in known]
        frontier = _with_computed(model, unknown, known)
        if len(known) + len(frontier) > BROADEST:
            break
        if not frontier:  # a cycle through a subtraction
            return False
    raise TooComplex


def _with_computed(model: Model, nodes: Collection[Node], known: Collection[Node]) -> list[Node]:
    """The nodes, and those of the same objects that they follow from: these cost no level of their own."""
    reached = dict.fromkeys(nodes)
    waiting = list(reached)
    while waiting:
        object_, name = waiting.pop()
        for leaf in _leaves(_expression(model, (object_, name))):
            if isinstance(leaf, Computed) and (node := (object_, leaf.relation)) not in reached and node not in known:
                reached[node] = None
                waiting.append(node)
    return list(reached)


def _expression(model: Model, node: Node) -> Expression:
    relation = model.relation(_type(node[0]), node[1])
    return relation.expression if relation else AnyOf(())  # of a tuple that an older model took: nobody


def _type(object_: str) -> str:
    return object_.partition(":")[0]


def _leaves(expression: Expression) -> Iterator[Expression]:
    match expression:
        case AnyOf(parts) | AllOf(parts):
            for part in parts:
                yield from _leaves(part)
        case ButNot(base, without):
            yield from _leaves(base)
            yield from _leaves(without)
        case _:
            yield expression


def _needs(model: Model, node: Node) -> Iterator[Node]:
    for leaf in _leaves(_expression(model, node)):
        match leaf:
            case Direct():
                yield node
            case From(_, source):
                yield node[0], source


def _formula(model: Model, subject: str, node: Node, found: Found) -> _Formula:
    if subject == f"{node[0]}#{node[1]}":  # a userset is a part of itself
        return True
    return _built(model, subject, node, _expression(model, node), found)


def _built(model: Model, subject: str, node: Node, expression: Expression, found: Found) -> _Formula:
    match expression:
        case Direct():
            return _direct(model, subject, node, found)
        case Computed(name):
            return node[0], name
        case From(name, source):
            parents = _taken(model, (node[0], source), found)
            return _Any(tuple((parent, name) for parent in parents if model.relation(_type(parent), name)))
        case AnyOf(parts):
            return _Any(tuple(_built(model, subject, node, part, found) for part in parts))
        case AllOf(parts):
            return _All(tuple(_built(model, subject, node, part, found) for part in parts))
        case ButNot(base, without):
            return _Less(
                _built(model, subject, node, base, found), _built(model, subject, node, without, found)
            )  # fmt: skip


def _direct(model: Model, subject: str, node: Node, found: Found) -> _Formula:
    subjects = _taken(model, node, found)
    everybody = f"{_type(subject)}:*" if "#" not in subject else None
    if any(each in {subject, everybody} for each in subjects):
        return True
    usersets = (each.rpartition("#") for each in subjects if "#" in each)
    return _Any(tuple((object_, name) for object_, _, name in usersets))


def _taken(model: Model, node: Node, found: Found) -> list[str]:
    relation = model.relation(_type(node[0]), node[1])
    takes = relation.takes if relation else ()
    return [subject for subject in found.get(node, ()) if kind_of(subject) in takes]


def _nodes(formula: _Formula) -> Iterator[Node]:
    match formula:
        case _Any(parts) | _All(parts):
            for part in parts:
                yield from _nodes(part)
        case _Less(base, without):
            yield from _nodes(base)
            yield from _nodes(without)
        case tuple():
            yield formula


def _bounds(known: Mapping[Node, _Formula]) -> tuple[set[Node], set[Node]]:
    """What holds whatever is still unread, and what may hold."""
    least: set[Node] = set()
    while True:
        most = _fixpoint(known, against=least, unread=True)
        more = _fixpoint(known, against=most, unread=False)
        if more == least:
            return least, most
        least = more


def _fixpoint(known: Mapping[Node, _Formula], *, against: set[Node], unread: bool) -> set[Node]:
    """The least set that the formulas close over, with what is subtracted judged by the other bound."""
    holding: set[Node] = set()
    grown = True
    while grown:
        grown = False
        for node in reversed(tuple(known)):  # what was found last is what the others wait for
            if node not in holding and _holds(known[node], known, holding, against, unread):
                holding.add(node)
                grown = True
    return holding


def _holds(
    formula: _Formula, known: Mapping[Node, _Formula], holding: set[Node], against: set[Node], unread: bool
) -> bool:
    match formula:
        case bool():
            return formula
        case _Any(parts):
            return any(_holds(part, known, holding, against, unread) for part in parts)
        case _All(parts):
            return all(_holds(part, known, holding, against, unread) for part in parts)
        case _Less(base, without):
            return _holds(base, known, holding, against, unread) and not _holds(
                without, known, against, holding, not unread
            )
        case node:
            return node in holding or (unread and node not in known)
