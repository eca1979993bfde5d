"""Why has this subject this relation to this object, or why not?

A yes is shown by the shortest way from the object to the subject: the tuples, and the rules that follow from one another.
For `and` that is one way for each part, for `but not` also why nothing blocks. A no is shown by where each way ends. What is
found is what check finds: the same plans, the same gates (solving.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final, Literal

from remit_server.errors import InvalidRequest
from remit_server.rules.relations.check import BROADEST, DEEPEST, Node, Question
from remit_server.rules.relations.facts import Fact, Steps
from remit_server.rules.relations.model import Model
from remit_server.rules.relations.programs import Along, Either, Every, Same, Without
from remit_server.rules.relations.solving import Gate, Solved
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.rules.relations.ways import Link, Outcome, Way, Ways, written

MOST_REASONS: Final = 200
MOST_HOPS: Final = 20
"""Of one reason."""

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
    graph = Ways(model, question)
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


_DEAR: Final = 4
"""A tuple is a longer way than a rule."""


class _Telling:
    def __init__(self, graph: Ways) -> None:
        self._graph = graph
        self.solved = Solved(graph.gates)
        self._costs: dict[Way | Node | None, float] = {}
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

    def _way(self, node: Node, way: Way) -> Reason:
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

    def _tuples(self, node: Node, way: Way) -> Reason:
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

    def _deciding(self, way: Way, outcome: Outcome) -> Sequence[Way]:
        """The parts that the outcome comes from."""
        if isinstance(way.plan, Without):
            return way.parts[:1] if self._outcome(way.parts[0].gate) == "no" else way.parts
        return [part for part in way.parts if self._outcome(part.gate) == outcome]

    def _hop(self, hop: Link) -> Hop:
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

    def _price(self, way: Way | None) -> float:
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

    def _length(self, hop: Link) -> float:
        if self._outcome(hop.gate) != "yes":
            return inf
        return _DEAR + (self._costs.get(hop.to, inf) if hop.to else 0)
