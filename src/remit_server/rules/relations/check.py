"""Has this subject these relations? The reasoning, without the reading (facts.py).

Many questions about one subject are one graph: nodes (object, relation) that they share are read once, and all that a level
needs is asked for at once. A question is answered as soon as nothing that is still unread could change the answer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from remit_server.errors import InvalidRequest
from remit_server.rules.relations.conditions import Unevaluable
from remit_server.rules.relations.ends import Key
from remit_server.rules.relations.facts import Contextual, Fact, Found, Holders, Need, Steps
from remit_server.rules.relations.model import Model
from remit_server.rules.relations.programs import Kinds, Ways, programs
from remit_server.rules.relations.solving import Gate, Kind, Solved, TooComplex, under
from remit_server.rules.relations.standing import Standing
from remit_server.rules.relations.tuples import kind_of

DEEPEST: Final = 25
"""Levels of the graph; as many as OpenFGA resolves."""
SINGLE: Final = 8
"""Questions up to which it is not worth it to look where their subject stands."""
BROADEST: Final = 20_000
"""Nodes of the graph, beside those that are asked about."""

Node = tuple[str, str]
"""(object, relation)."""
Verdict = bool | InvalidRequest
"""Yes, no, or why it cannot be told."""


class Asker(NamedTuple):
    """For whom, and under what circumstances, questions are asked."""

    subject: str
    contextual: Contextual = Contextual()
    context: Mapping[str, Any] = {}
    """What the request tells the conditions."""


class Question(NamedTuple):
    """Has this subject this relation to this object?"""

    subject: str
    relation: str
    object: str
    contextual: Contextual = Contextual()
    context: Mapping[str, Any] = {}

    @property
    def node(self) -> Node:
        return self.object, self.relation

    @property
    def asker(self) -> Asker:
        return Asker(self.subject, self.contextual, self.context)


def check(model: Model, asker: Asker, nodes: Sequence[Node]) -> Steps[list[Verdict]]:
    """A verdict for each node, in their order. Tuples that the model does not take (any more) count for nothing."""
    graph = _Graph(model, asker)
    try:
        return (yield from _verdicts(graph, nodes))
    finally:
        graph.let_go()


def _verdicts(graph: _Graph, nodes: Sequence[Node]) -> Steps[list[Verdict]]:
    if len(nodes) > SINGLE:
        yield from graph.stand(nodes)
    roots = [graph.node(node) for node in nodes]
    graph.roots = dict.fromkeys(roots)
    deep = 0
    while needs := graph.level():
        deep += 1
        if deep > DEEPEST or graph.size > BROADEST + len(nodes):
            return [root.held or TooComplex() for root in roots]
        graph.take((yield needs))
    if not graph.open_ended:
        return [root.held for root in roots]
    solved = Solved(roots)
    return [solved.verdict(root) for root in roots]


_Read = tuple[Need, Gate, Kinds, str | None]
"""A need, and what its facts do to a gate: the conditions that they may carry; the relation that is asked of whoever is
found, empty for a userset's own, None where to be found is enough."""


_Entry = tuple[Node, str, Gate]
"""A node that was not looked into, and the type of its object."""


class _Graph:
    def __init__(self, model: Model, asker: Asker) -> None:
        self._model, self._asker = model, asker
        self._programs, self._kind = programs(model), kind_of(asker.subject)
        self._standing: Standing | None = None
        self._nodes: dict[Node, Gate] = {}
        self._unopened: list[_Entry] = []
        self._awaited: list[_Entry] = []
        """Nodes that are told from the subject's side, as long as that is found out."""
        self._unread: list[_Read] = []
        self._reads: list[_Read] = []
        self._subtractions: list[Gate] = []
        self._gates: list[Gate] = []
        self._yes = self._gate()
        self._yes.held = True
        self.roots: dict[Gate, None] = {}
        self.open_ended = False
        """Whether something can be told only when everything has been read: a subtraction, an error."""

    @property
    def size(self) -> int:
        return len(self._nodes)

    def _gate(self, kind: Kind = "any", inputs: Sequence[Gate] = (), error: InvalidRequest | None = None) -> Gate:
        gate = Gate(kind, inputs, error)
        self._gates.append(gate)
        return gate

    def let_go(self) -> None:
        """Gates know one another both ways: taken apart, they need no garbage collector, which would stop everybody."""
        for gate in self._gates:
            gate.outs.clear()

    def stand(self, nodes: Sequence[Node]) -> Steps[None]:
        """Learn what the subject itself stands in."""
        roots = frozenset((object_.partition(":")[0], relation) for object_, relation in nodes)
        ground = self._programs.ground(self._kind, roots)
        self._standing = Standing(ground, self._asker.subject, self._asker.contextual)
        needs = self._standing.needs()
        self._found_standing((yield needs) if needs else {})

    def _found_standing(self, found: Found) -> None:
        assert self._standing is not None
        for node in self._standing.take(found):
            self.node(node).hold()

    def node(self, node: Node) -> Gate:
        gate = self._nodes.get(node)
        if gate is None:
            gate = self._nodes[node] = self._gate()
            if f"{node[0]}#{node[1]}" == self._asker.subject:  # a userset is a part of itself
                gate.held = True
            else:
                self._unopened.append((node, node[0].partition(":")[0], gate))
        return gate

    def level(self) -> set[Need]:
        """What is read next: all that could still matter. Other relations to the same object cost no level of their own."""
        if all(root.held for root in self.roots):
            return set()
        while True:
            matters = under(self.roots) if any(gate.lost for gate in self._subtractions) else None
            later: list[_Read] = []
            self._reads = []
            for read in self._unread:
                (self._reads if matters is None or read[1] in matters else later).append(read)
            self._unread, waiting = [], len(self._unopened)
            aside = self._open(matters)
            self._reads += self._unread
            self._unread, self._unopened = later, aside
            needs: set[Need] = {read[0] for read in self._reads}
            if self._standing:
                needs.update(self._standing.needs())
            if needs or len(aside) == waiting:
                return needs  # or else: what was just opened may stand on what was put aside

    def _open(self, matters: Collection[Gate] | None) -> list[_Entry]:
        """Look into the nodes that something undecided stands on; the others are handed back."""
        closed: Collection[Key] = self._standing.closed if self._standing else ()
        unopened, self._unopened = self._unopened, []
        if self._awaited and not closed:
            unopened, self._awaited = unopened + self._awaited, []
        aside: list[_Entry] = []
        for entry in unopened:
            (_, relation), type_, gate = entry
            if (type_, relation) in closed:
                self._awaited.append(entry)
                continue
            idle = (
                all(out.held for out in gate.outs) and gate not in self.roots
                if matters is None
                else gate not in matters
            )
            (aside if idle else self._unopened).append(entry)
        while self._unopened:
            (object_, relation), type_, gate = self._unopened.pop()
            if not gate.held:
                self._build(self._programs.ways(type_, relation, self._kind), type_, object_, gate)
        return aside

    def _build(self, ways: Ways, type_: str, object_: str, gate: Gate) -> None:
        unread = self._unread
        for relation, kind, conditions in ways.exact:
            objects = self._standing.objects(kind, relation, type_) if self._standing else None
            if objects is None:
                subject = self._asker.subject if kind == self._kind else kind  # `user:*` is both kind and subject
                unread.append((Holders(object_, relation, kind, subject), gate, conditions, None))
            elif object_ in objects:
                gate.hold()
        for relation in ways.same:
            told = self._told(type_, object_, relation)
            if told is None:
                gate.take(self.node((object_, relation)))
            elif told:
                gate.hold()
        if gate.held:  # nothing else of it need be read
            return
        for relation, kind, conditions in ways.usersets:
            unread.append((Holders(object_, relation, kind), gate, conditions, ""))
        for source, kind, conditions, relation in ways.along:
            unread.append((Holders(object_, source, kind), gate, conditions, relation))
        for parts in ways.every:
            gate.take(self._gate("all", [self._part(part, type_, object_) for part in parts]))
        for base, without in ways.without:
            self._without(base, without, type_, object_, gate)

    def _part(self, ways: Ways, type_: str, object_: str) -> Gate:
        gate = self._gate()
        self._build(ways, type_, object_, gate)
        return gate

    def _without(self, base: Ways, without: Ways, type_: str, object_: str, gate: Gate) -> None:
        told = self._told(type_, object_, without.alone) if without.alone else None
        if told is None:
            self.open_ended = True
            less = self._gate("less", [self._part(base, type_, object_), self._part(without, type_, object_)])
            self._subtractions.append(less)
            gate.take(less)
        elif not told:
            self._build(base, type_, object_, gate)

    def _told(self, type_: str, object_: str, relation: str) -> bool | None:
        return self._standing.told(type_, (object_, relation)) if self._standing else None

    def take(self, found: Found) -> None:
        """What a level brought."""
        if self._standing:
            self._found_standing(found)
        contextual = self._asker.contextual
        for need, gate, conditions, leads in self._reads:
            if gate.held:
                continue
            facts = found.get(need) or ()
            if contextual:
                facts = contextual.over(need, facts)
            for fact in facts:
                if fact[1] in conditions:
                    self._way(gate, fact, leads)

    def _way(self, gate: Gate, fact: Fact, leads: str | None) -> None:
        other, condition, context = fact
        error = None
        if condition:
            try:
                if not self._model.conditions[condition].evaluate(context, self._asker.context):
                    return
            except Unevaluable as unevaluable:
                error = unevaluable
        if leads is None:
            way = self._yes
        elif leads:
            way = self.node((other, leads))
        else:
            object_, _, relation = other.partition("#")
            way = self.node((object_, relation))
        if error is not None:
            self.open_ended = True
            way = self._gate("all", [way, self._gate("error", error=error)])
        gate.take(way)
