"""Has this subject these relations? The reasoning, without the reading (facts.py).

Many questions about one subject are one graph: nodes (object, relation) that they share are read once, and all that a level
needs is asked for at once. A question is answered as soon as nothing that is still unread could change the answer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from remit_server.errors import InvalidRequest
from remit_server.rules.relations.conditions import Unevaluable
from remit_server.rules.relations.facts import Contextual, Fact, Found, Holders, Need, Steps
from remit_server.rules.relations.model import Model
from remit_server.rules.relations.programs import Along, Either, Every, Kinds, Plan, Same, Tuples, Without, programs
from remit_server.rules.relations.solving import Gate, Solved, under
from remit_server.rules.relations.tuples import kind_of

DEEPEST: Final = 25
"""Levels of the graph; as many as OpenFGA resolves."""
BROADEST: Final = 20_000
"""Nodes of the graph, beside those that are asked about."""

Node = tuple[str, str]
"""(object, relation)."""
Verdict = bool | InvalidRequest
"""Yes, no, or why it cannot be told."""


class TooComplex(InvalidRequest):
    code = "authorization_model_resolution_too_complex"
    text = "This cannot be resolved within the limits of depth and breadth."


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
    roots = graph.roots = [graph.node(node) for node in nodes]
    deep = 0
    while reads := graph.level():
        deep += 1
        if deep > DEEPEST or graph.size > BROADEST + len(nodes):
            return [root.held or TooComplex() for root in roots]
        graph.take(reads, (yield {read.need for read in reads}))
    if not graph.open_ended:
        return [root.held for root in roots]
    solved = Solved(roots)
    return [solved.verdict(root) for root in roots]


class _Read(NamedTuple):
    """A need, and what its facts do to a gate."""

    need: Need
    gate: Gate
    conditions: Kinds
    leads: str | None
    """The relation that is asked of whoever is found; empty for a userset's own, None where to be found is enough."""


class _Graph:
    def __init__(self, model: Model, asker: Asker) -> None:
        self._model, self._asker = model, asker
        self._programs, self._kind = programs(model), kind_of(asker.subject)
        self._nodes: dict[Node, Gate] = {}
        self._unopened: list[tuple[Node, Gate]] = []
        self._unread: list[_Read] = []
        self._subtractions: list[Gate] = []
        self._yes = Gate()
        self._yes.held = True
        self.roots: list[Gate] = []
        self.open_ended = False
        """Whether something can be told only when everything has been read: a subtraction, an error."""

    @property
    def size(self) -> int:
        return len(self._nodes)

    def node(self, node: Node) -> Gate:
        gate = self._nodes.get(node)
        if gate is None:
            gate = self._nodes[node] = Gate()
            if f"{node[0]}#{node[1]}" == self._asker.subject:  # a userset is a part of itself
                gate.held = True
            else:
                self._unopened.append((node, gate))
        return gate

    def level(self) -> list[_Read]:
        """What is read next: all that could still matter. Other relations to the same object cost no level of their own."""
        if all(root.held for root in self.roots):
            return []
        matters = under(self.roots) if any(gate.lost for gate in self._subtractions) else None
        reads: list[_Read] = []
        later: list[_Read] = []
        for read in self._unread:
            (reads if matters is None or read.gate in matters else later).append(read)
        self._unread = []
        aside = self._open(matters)
        reads += self._unread
        self._unread, self._unopened = later, aside
        return reads

    def _open(self, matters: Collection[Gate] | None) -> list[tuple[Node, Gate]]:
        """Look into the nodes that something undecided stands on; the others are handed back."""
        aside = []
        unopened, self._unopened = self._unopened, []
        for entry in unopened:
            gate = entry[1]
            if (matters is not None and gate not in matters) or (gate.outs and all(out.held for out in gate.outs)):
                aside.append(entry)
            else:
                self._unopened.append(entry)
        while self._unopened:
            (object_, relation), gate = self._unopened.pop()
            plan = None if gate.held else self._programs.plan(object_.partition(":")[0], relation, self._kind)
            if plan is not None:
                self._build(plan, object_, gate)
        return aside

    def _build(self, plan: Plan, object_: str, gate: Gate) -> None:
        match plan:
            case Either(parts):
                for part in parts:
                    self._build(part, object_, gate)
            case Tuples(relation, exact, usersets):
                for kind, conditions in exact:
                    subject = self._asker.subject if kind == self._kind else kind  # `user:*` is both kind and subject
                    self._unread.append(_Read(Holders(object_, relation, kind, subject), gate, conditions, None))
                for kind, conditions in usersets:
                    self._unread.append(_Read(Holders(object_, relation, kind), gate, conditions, ""))
            case Same(relation):
                gate.take(self.node((object_, relation)))
            case Along(relation, source, kinds):
                for kind, conditions in kinds:
                    self._unread.append(_Read(Holders(object_, source, kind), gate, conditions, relation))
            case Every(parts):
                gate.take(Gate("all", [self._part(part, object_) for part in parts]))
            case Without(base, without):
                self.open_ended = True
                self._subtractions.append(Gate("less", [self._part(base, object_), self._part(without, object_)]))
                gate.take(self._subtractions[-1])

    def _part(self, plan: Plan, object_: str) -> Gate:
        gate = Gate()
        self._build(plan, object_, gate)
        return gate

    def take(self, reads: Sequence[_Read], found: Found) -> None:
        """What a level brought."""
        contextual = self._asker.contextual
        for need, gate, conditions, leads in reads:
            if gate.held:
                continue
            facts: Sequence[Fact] = found.get(need, ())
            if contextual:
                facts = contextual.over(need, facts)
            for fact in facts:
                if fact.condition in conditions:
                    self._way(gate, fact, leads)

    def _way(self, gate: Gate, fact: Fact, leads: str | None) -> None:
        error = None
        if fact.condition:
            try:
                if not self._model.conditions[fact.condition].evaluate(fact.context, self._asker.context):
                    return
            except Unevaluable as unevaluable:
                error = unevaluable
        if leads is None:
            way = self._yes
        elif leads:
            way = self.node((fact.other, leads))
        else:
            object_, _, relation = fact.other.partition("#")
            way = self.node((object_, relation))
        if error is not None:
            self.open_ended = True
            way = Gate("all", [way, Gate("error", error=error)])
        gate.take(way)
