"""Who has this relation to this object? Not one check for each user: sets of users, found where they stand.

A node (object, relation) of the graph has members of one kind: `user`, or `group#member`. There may be everybody among them,
with exceptions. What unions bring grows as it is found; `and` and `but not` are worked out over the sets when all has been
read, from below and from above in turn, as in check (the well-founded semantics).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush
from typing import Any, Final, Literal, NamedTuple

from remit_server.rules.relations.check import DEEPEST, Node
from remit_server.rules.relations.facts import Contextual, Fact, Found, Holders, Need, Steps
from remit_server.rules.relations.list_objects import Listed
from remit_server.rules.relations.model import Model
from remit_server.rules.relations.programs import Along, Either, Every, Kinds, Plan, Same, Tuples, Without, programs
from remit_server.rules.relations.solving import TooComplex

BROADEST: Final = 100_000
"""Nodes and users of the graph."""
MOST_STEPS: Final = 4_000_000
"""To work out who is in which set: the sizes of the sets that are made; about two seconds, and 200 MB."""
_DEAR: Final = 16
"""Steps that a set costs however small it is."""


class Sought(NamedTuple):
    """Whose subjects, and of which kind, under what circumstances."""

    object: str
    relation: str
    kind: str
    """`user` or `group#member`."""
    contextual: Contextual = Contextual()
    context: Mapping[str, Any] = {}
    """What the request tells the conditions."""


def list_users(model: Model, sought: Sought) -> Steps[Listed]:
    """All of one kind: of `user` the users, and `user:*` where everybody is; of `group#member` the usersets.

    Beside `user:*` stand those whom tuples name; whom tuples except is nowhere to be seen. Raises `Unevaluable` for any
    condition that cannot be evaluated, because whoever depends on it might be missing, and `TooComplex`.
    """
    graph = _Graph(model, sought)
    root = graph.node((sought.object, sought.relation))
    graph.open()
    deep = 0
    while graph.reads and graph.size <= BROADEST:
        deep += 1
        if deep > DEEPEST:
            raise TooComplex
        graph.take((yield {read.need for read in graph.reads}))
    members = graph.members(root)
    found = sorted(members.named)
    return Listed([f"{sought.kind}:*", *found] if members.everybody else found, bool(graph.reads))


class _Members(NamedTuple):
    """A set of subjects. Whom tuples name stands there by name, even beside everybody."""

    everybody: bool = False
    named: frozenset[str] = frozenset()
    excepted: frozenset[str] = frozenset()
    """Who is no member though everybody is."""

    @property
    def size(self) -> int:
        return len(self.named) + len(self.excepted)

    def has(self, subjects: frozenset[str]) -> frozenset[str]:
        """Those of the subjects who are members."""
        return subjects - self.excepted if self.everybody else subjects & self.named


_NOBODY: Final = _Members()
_ALL: Final = _Members(everybody=True)


def _distinct(parts: Iterable[_Members]) -> list[_Members]:
    """A set that many share stands once among them."""
    return [*dict.fromkeys(parts)]


def _either(parts: Sequence[_Members]) -> _Members:
    parts = [part for part in _distinct(parts) if part != _NOBODY]
    if len(parts) < 2:
        return parts[0] if parts else _NOBODY
    named = frozenset().union(*(part.named for part in parts))
    open_ = [part.excepted for part in parts if part.everybody]
    return _Members(bool(open_), named, frozenset.intersection(*open_) - named if open_ else frozenset())


def _every(parts: Sequence[_Members]) -> _Members:
    named = frozenset().union(*(part.named for part in parts))
    for part in parts:
        named = part.has(named)
    everybody = all(part.everybody for part in parts)
    return _Members(
        everybody, named, frozenset().union(*(part.excepted for part in parts)) if everybody else frozenset()
    )


def _without(base: _Members, taken: _Members) -> _Members:
    # Whom the subtraction itself excepts comes back by name.
    named = base.named | base.has(taken.excepted)
    named -= taken.has(named)
    everybody = base.everybody and not taken.everybody
    return _Members(everybody, named, base.excepted | taken.named if everybody else frozenset())


class _Set:
    """A place in the graph where members gather: of a node, or of a part of its expression."""

    __slots__ = ("kind", "named", "outs", "own", "parts", "unread")

    def __init__(self, kind: Literal["any", "all", "less"] = "any", parts: Sequence[_Set] = ()) -> None:
        self.kind = kind
        self.parts = list(parts)
        self.outs: list[int] = []
        """The places of those that this is a part of."""
        self.named: set[str] = set()
        self.own = _NOBODY
        """Whom tuples name here."""
        self.unread = False
        """Whether there may be more here than was read."""

    def members(self, of: Mapping[_Set, _Members], against: Mapping[_Set, _Members]) -> _Members:
        parts = [of[part] for part in self.parts]
        if self.kind == "all":
            return _every(parts)
        if self.kind == "less":
            return _without(parts[0], against[self.parts[1]])
        return _either([self.own, *parts])


class _Read(NamedTuple):
    need: Need
    into: _Set
    conditions: Kinds
    leads: str | None
    """The relation whose members count; empty for that of a userset, None where the subject itself counts."""


class _Graph:
    def __init__(self, model: Model, sought: Sought) -> None:
        self._model, self._kind = model, sought.kind
        self._contextual, self._context = sought.contextual, sought.context
        self._programs = programs(model)
        self._nodes: dict[Node, _Set] = {}
        self._sets: list[_Set] = []
        self._unopened: list[Node] = []
        self._simple = True
        self._steps = 0
        self.size = 0
        self.reads: list[_Read] = []

    def node(self, node: Node) -> _Set:
        if node not in self._nodes:
            self._nodes[node] = self._set()
            self._unopened.append(node)
            object_, relation = node
            if f"{object_.partition(':')[0]}#{relation}" == self._kind:  # a userset is a part of itself
                self._nodes[node].named.add(f"{object_}#{relation}")
        return self._nodes[node]

    def open(self) -> None:
        """Look into the nodes that were found. Those of the same object cost no level of their own."""
        while self._unopened:
            node = self._unopened.pop()
            object_, relation = node
            if plan := self._programs.plan(object_.partition(":")[0], relation, self._kind):
                self._build(plan, object_, self._nodes[node])

    def take(self, found: Found) -> None:
        reads, self.reads = self.reads, []
        for need, into, conditions, leads in reads:
            facts: Sequence[Fact] = found.get(need) or ()
            if self._contextual:
                facts = self._contextual.over(need, facts)
            subjects = self._counting(facts, conditions)
            self.size += len(subjects)
            if leads is None:
                into.named.update(subjects)
                continue
            for subject in subjects:
                object_, _, relation = (subject, "", leads) if leads else subject.partition("#")
                into.parts.append(self.node((object_, relation)))
        self.open()

    def _counting(self, facts: Sequence[Fact], conditions: Kinds) -> list[str]:
        return [
            subject
            for subject, condition, context in facts
            if condition in conditions
            and (not condition or self._model.conditions[condition].evaluate(context, self._context))
        ]

    def _set(self, kind: Literal["any", "all", "less"] = "any", parts: Sequence[_Set] = ()) -> _Set:
        self._sets.append(_Set(kind, parts))
        self.size += 1
        return self._sets[-1]

    def _build(self, plan: Plan, object_: str, into: _Set) -> None:
        match plan:
            case Either(parts):
                for part in parts:
                    self._build(part, object_, into)
            case Tuples(relation, exact, usersets):
                for kind, conditions in exact:
                    if "#" not in kind:  # a userset leads to its own node, and is a part of that
                        self.reads.append(_Read(Holders(object_, relation, kind), into, conditions, None))
                for kind, conditions in usersets:
                    self.reads.append(_Read(Holders(object_, relation, kind), into, conditions, ""))
            case Same(relation):
                into.parts.append(self.node((object_, relation)))
            case Along(relation, source, kinds):
                for kind, conditions in kinds:
                    self.reads.append(_Read(Holders(object_, source, kind), into, conditions, relation))
            case Every(parts):
                self._simple = False
                into.parts.append(self._set("all", [self._part(part, object_) for part in parts]))
            case Without(base, without):
                self._simple = False
                into.parts.append(self._set("less", [self._part(base, object_), self._part(without, object_)]))

    def _part(self, plan: Plan, object_: str) -> _Set:
        part = self._set()
        self._build(plan, object_, part)
        return part

    def members(self, root: _Set) -> _Members:
        """Who is in a set for certain. What was not read counts for nobody where it adds and for everybody where it takes."""
        everybody = f"{self._kind}:*"
        for place, one in enumerate(self._sets):
            one.own = _Members(everybody in one.named, frozenset(one.named - {everybody}))
            for part in one.parts:
                part.outs.append(place)
        if self._simple:
            return _Members(
                any(one.own.everybody for one in self._sets), frozenset().union(*(one.own.named for one in self._sets))
            )  # fmt: skip
        for read in self.reads:
            read.into.unread = True
        least: Mapping[_Set, _Members] = dict.fromkeys(self._sets, _NOBODY)
        while True:
            most = self._closed(against=least, unread=True)
            more = self._closed(against=most, unread=False)
            if more == least:
                return least[root]
            least = more

    def _closed(self, *, against: Mapping[_Set, _Members], unread: bool) -> Mapping[_Set, _Members]:
        """The least members that all sets agree on, with what is taken away judged by the other bound."""
        found = dict.fromkeys(self._sets, _NOBODY)
        due = [-place for place in reversed(range(len(self._sets)))]  # what was found last is what the others wait for
        waiting = set(due)
        while due:
            waiting.remove(place := heappop(due))
            one = self._sets[-place]
            members = _ALL if unread and one.unread else one.members(found, against)
            made = (
                0 if any(members is found[part] for part in one.parts) else len(members.named) + len(members.excepted)
            )
            self._steps += 1 + len(one.parts) + made
            if self._steps > MOST_STEPS:
                raise TooComplex
            if members != found[one]:
                found[one] = members
                for out in one.outs:
                    if -out not in waiting:
                        waiting.add(-out)
                        heappush(due, -out)
        return found
