"""Why has this subject this relation to this object, or why not?

A yes is shown by the shortest way from the object to the subject: the tuples, and the rules that follow from one another.
For `and` that is one way for each part, for `but not` also why nothing blocks. A no is shown by where each way ends. What is
found is what check finds: the same plans, the same gates (solving.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final, Literal

from remit_server.errors import InvalidRequest
from remit_server.rules.relations.check import BROADEST, DEEPEST, Node, Question, TooComplex
from remit_server.rules.relations.conditions import Unevaluable
from remit_server.rules.relations.facts import Fact, Holders, Need, Steps
from remit_server.rules.relations.model import Model
from remit_server.rules.relations.programs import Along, Either, Every, Kinds, Plan, Same, Tuples, Without, programs
from remit_server.rules.relations.solving import Gate, Solved
from remit_server.rules.relations.tuples import RelationTuple, kind_of

MOST_REASONS: Final = 200
MOST_HOPS: Final = 20
"""Of one reason."""

Outcome = Literal["yes", "no", "unknown"]
How = Literal["tuples", "same", "from", "any", "all", "but not", "itself", "never", "again", "unread"]


@dataclass(frozen=True, slots=True)
class Hop:
    """A tuple on a way."""

    tuple: RelationTuple
    outcome: Outcome
    """Whether it leads to the subject."""
    condition: Outcome = "yes"
    """Whether it counts: no where its condition is false, unknown where that could not be evaluated."""
    error: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    """What the condition was evaluated with."""
    leads: Reason | None = None
    """From where the way goes on; None at its end."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Whether and how the subject has a relation to an object, by the relation's rule or by a part of it."""

    object: str
    relation: str
    outcome: Outcome
    how: How
    """`tuples`: some name the subject or a userset. `same`: by another relation to the object. `from`: along tuples to other
    objects. `any`, `all`, `but not` (what is given, what blocks): by `parts`. `itself`: the subject is this userset.
    `never`: the model has no way for this kind of subject. `again`: this was shown before, or is asked for already.
    `unread`: beyond the limits."""
    rule: str = ""
    """As the model writes it, without what does not matter for this kind of subject."""
    hops: tuple[Hop, ...] = ()
    parts: tuple[Reason, ...] = ()
    more: int = 0
    """How many hops are not shown."""


@dataclass(frozen=True, slots=True)
class Why:
    outcome: Outcome
    reason: Reason
    error: InvalidRequest | None = None
    """Why it is unknown."""
    cut: bool = False
    """Whether there is more than is shown."""


def why(model: Model, question: Question) -> Steps[Why]:
    graph = _Graph(model, question)
    root = graph.node(question.node)
    graph.open()
    deep = 0
    while graph.reads and not root.gate.held:
        deep += 1
        if deep > DEEPEST or graph.size > BROADEST:
            break
        graph.take((yield {need for need, *_ in graph.reads}))
    if not root.gate.held:
        graph.leave()
    telling = _Telling(graph)
    verdict = telling.solved.verdict(root.gate)
    reason = telling.node(question.node)
    return Why(reason.outcome, reason, verdict if isinstance(verdict, InvalidRequest) else None, telling.cut)


class _Way:
    """A plan at an object."""

    __slots__ = ("gate", "hops", "parts", "plan", "same")

    def __init__(self, plan: Plan, gate: Gate, parts: Sequence[_Way] = ()) -> None:
        self.plan, self.gate, self.parts = plan, gate, parts
        self.same: Node | None = None
        """The node that it stands for."""
        self.hops: list[_Hop] = []


class _Hop:
    __slots__ = ("error", "fact", "gate", "met", "need", "to")

    def __init__(self, need: Holders, fact: Fact, to: Node | None) -> None:
        self.need, self.fact, self.to = need, fact, to
        self.met: Outcome = "yes"
        self.error: InvalidRequest | None = None
        self.gate = Gate()


class _Node:
    __slots__ = ("gate", "itself", "way")

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.way: _Way | None = None
        self.itself = False


class _Graph:
    def __init__(self, model: Model, question: Question) -> None:
        self.model, self.question = model, question
        self.programs, self._kind = programs(model), kind_of(question.subject)
        self.nodes: dict[Node, _Node] = {}
        self.gates: list[Gate] = []
        self.reads: list[tuple[Holders, _Way, Kinds, str | None]] = []
        """What is read next; and the relation that is asked of whoever is found, empty for a userset's own, None for none."""
        self.unread: set[_Way] = set()
        self._unopened: list[Node] = []

    @property
    def size(self) -> int:
        return len(self.nodes)

    def node(self, node: Node) -> _Node:
        if node not in self.nodes:
            one = self.nodes[node] = _Node(self._gate())
            if f"{node[0]}#{node[1]}" == self.question.subject:
                one.itself = True
                one.gate.hold()
            else:
                self._unopened.append(node)
        return self.nodes[node]

    def open(self) -> None:
        while self._unopened:
            object_, relation = node = self._unopened.pop()
            if plan := self.programs.plan(object_.partition(":")[0], relation, self._kind):
                way = self.nodes[node].way = self._way(plan, object_)
                self.nodes[node].gate.take(way.gate)

    def take(self, found: Mapping[Need, Sequence[Fact] | None]) -> None:
        reads, self.reads = self.reads, []
        for need, way, conditions, leads in reads:
            for fact in self.question.contextual.over(need, found.get(need) or ()):
                if fact[1] in conditions:
                    self._hop(need, way, fact, leads)
        self.open()

    def leave(self) -> None:
        """What was not read is not known."""
        for _, way, _, _ in self.reads:
            way.gate.take(self._gate("error", error=TooComplex()))
            self.unread.add(way)

    def _gate(self, kind: Literal["any", "all", "less", "error"] = "any", inputs: Iterable[Gate] = (),
              error: InvalidRequest | None = None) -> Gate:  # fmt: skip
        self.gates.append(Gate(kind, inputs, error))
        return self.gates[-1]

    def _way(self, plan: Plan, object_: str) -> _Way:
        match plan:
            case Either(plans) | Every(plans):
                parts = [self._way(part, object_) for part in plans]
                return _Way(plan, self._gate("any" if isinstance(plan, Either) else "all", _gates(parts)), parts)
            case Without(base, without):
                parts = [self._way(base, object_), self._way(without, object_)]
                return _Way(plan, self._gate("less", _gates(parts)), parts)
            case Same(relation):
                way = _Way(plan, self._gate())
                way.same = (object_, relation)
                way.gate.take(self.node(way.same).gate)
            case Tuples(relation, exact, usersets):
                way = _Way(plan, self._gate())
                for kind, conditions in exact:
                    subject = self.question.subject if kind == self._kind else kind
                    self.reads.append((Holders(object_, relation, kind, subject), way, conditions, None))
                for kind, conditions in usersets:
                    self.reads.append((Holders(object_, relation, kind), way, conditions, ""))
            case Along(relation, source, kinds):
                way = _Way(plan, self._gate())
                for kind, conditions in kinds:
                    self.reads.append((Holders(object_, source, kind), way, conditions, relation))
        return way

    def _hop(self, need: Holders, way: _Way, fact: Fact, leads: str | None) -> None:
        subject, condition, context = fact
        if leads == "" and subject == self.question.subject:
            return  # it was read as a tuple that names the subject
        object_, _, relation = subject.partition("#")
        hop = _Hop(need, fact, None if leads is None else (object_, leads or relation))
        way.hops.append(hop)
        if condition:
            try:
                met = self.model.conditions[condition].evaluate(context, self.question.context)
                hop.met = "yes" if met else "no"
            except Unevaluable as error:
                hop.met, hop.error = "unknown", error
        self.gates.append(hop.gate)
        if hop.met == "no":
            return
        needed = [] if hop.to is None else [self.node(hop.to).gate]
        if hop.error:
            needed.append(self._gate("error", error=hop.error))
        hop.gate.take(self._gate("all", needed))
        way.gate.take(hop.gate)


def _gates(ways: Iterable[_Way]) -> list[Gate]:
    return [way.gate for way in ways]


_DEAR: Final = 4
"""A tuple is a longer way than a rule."""


class _Telling:
    def __init__(self, graph: _Graph) -> None:
        self._graph = graph
        self.solved = Solved(graph.gates)
        self._costs: dict[_Way | Node | None, float] = {}
        self._price_all()
        self._shown: set[Node] = set()
        self._left = MOST_REASONS
        self.cut = False

    def node(self, node: Node) -> Reason:
        one = self._graph.nodes[node]
        outcome = self._outcome(one.gate)
        if one.itself:
            return Reason(*node, outcome, "itself")
        if one.way is None:
            return Reason(*node, "no", "never")
        if outcome != "yes" and node in self._shown:
            return Reason(*node, outcome, "again")
        self._shown.add(node)
        return self._way(node, one.way)

    def _way(self, node: Node, way: _Way) -> Reason:
        outcome, plan, rule = self._outcome(way.gate), way.plan, written(way.plan)
        self._left -= 1
        if self._left < 0:
            self.cut = True
            return Reason(*node, outcome, "unread", rule)
        if isinstance(plan, Either) and outcome == "yes":
            return self._way(node, min(way.parts, key=lambda part: self._costs.get(part, inf)))
        if way.same:
            return Reason(*node, outcome, "same", rule, parts=(self.node(way.same),))
        if way.parts:
            how: How = "any" if isinstance(plan, Either) else "all" if isinstance(plan, Every) else "but not"
            parts = tuple(self._way(node, part) for part in self._deciding(way, outcome))
            return Reason(*node, outcome, how, rule, parts=parts)
        return self._tuples(node, way)

    def _tuples(self, node: Node, way: _Way) -> Reason:
        outcome, rule = self._outcome(way.gate), written(way.plan)
        if way in self._graph.unread:
            return Reason(*node, outcome, "unread", rule)
        how: How = "from" if isinstance(way.plan, Along) else "tuples"
        hops = [hop for hop in way.hops if self._outcome(hop.gate) == outcome]
        if outcome == "yes":
            hops = [min(hops, key=self._length)]
        shown = tuple(self._hop(hop) for hop in hops[:MOST_HOPS])
        self.cut = self.cut or len(hops) > len(shown)
        return Reason(*node, outcome, how, rule, shown, more=len(hops) - len(shown))

    def _deciding(self, way: _Way, outcome: Outcome) -> Sequence[_Way]:
        """The parts that the outcome comes from."""
        if isinstance(way.plan, Without):
            return way.parts[:1] if self._outcome(way.parts[0].gate) == "no" else way.parts
        return [part for part in way.parts if self._outcome(part.gate) == outcome]

    def _hop(self, hop: _Hop) -> Hop:
        need, fact = hop.need, hop.fact
        return Hop(
            RelationTuple(need.object, need.relation, *fact),
            self._outcome(hop.gate),
            hop.met,
            hop.error.text if hop.error else "",
            self._values(fact),
            self.node(hop.to) if hop.to and hop.met != "no" else None,
        )

    def _values(self, fact: Fact) -> Mapping[str, Any]:
        """The condition's own values, as it saw them: those of the tuple win."""
        _, condition, context = fact
        if not condition:
            return {}
        told = {**self._graph.question.context, **(json.loads(context) if context else {})}
        names = self._graph.model.conditions[condition].parameters
        return {name: told[name] for name in names if name in told}

    def _outcome(self, gate: Gate) -> Outcome:
        verdict = self.solved.verdict(gate)
        return "unknown" if isinstance(verdict, InvalidRequest) else "yes" if verdict else "no"

    def _price_all(self) -> None:
        """How long the shortest way is to each yes. Every step costs something, so that shortest ways have no cycles."""
        changed = True
        while changed:
            changed = False
            for node, one in reversed(self._graph.nodes.items()):
                cost = 1 + (0 if one.itself else self._price(one.way))
                if cost < self._costs.get(node, inf):
                    self._costs[node], changed = cost, True

    def _price(self, way: _Way | None) -> float:
        if way is None:
            return inf
        parts = [self._price(part) for part in way.parts]
        if self._outcome(way.gate) != "yes":
            return inf
        match way.plan:
            case Either():
                cost = min(parts)
            case Every():
                cost = sum(parts)
            case Without():
                cost = parts[0]
            case Same():
                cost = self._costs.get(way.same, inf)
            case _:
                cost = min(map(self._length, way.hops))
        self._costs[way] = cost
        return cost

    def _length(self, hop: _Hop) -> float:
        if self._outcome(hop.gate) != "yes":
            return inf
        return _DEAR + (self._costs.get(hop.to, inf) if hop.to else 0)


def written(plan: Plan) -> str:
    """A plan in the modelling language."""
    match plan:
        case Tuples(_, exact, usersets):
            return f"[{', '.join(kind for kind, _ in (*exact, *usersets))}]"
        case Same(relation):
            return relation
        case Along(relation, source, _):
            return f"{relation} from {source}"
        case Either(parts):
            return " or ".join(map(_inner, parts))
        case Every(parts):
            return " and ".join(map(_inner, parts))
        case Without(base, without):
            return f"{_inner(base)} but not {_inner(without)}"


def _inner(plan: Plan) -> str:
    return f"({written(plan)})" if isinstance(plan, Either | Every | Without) else written(plan)
