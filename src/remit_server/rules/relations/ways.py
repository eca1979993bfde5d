"""The graph of one question, kept whole so that it can be told: which plan stands where, on which tuples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from remit_server.errors import InvalidRequest
from remit_server.rules.relations.check import Node, Question
from remit_server.rules.relations.conditions import Unevaluable
from remit_server.rules.relations.facts import Fact, Holders, Need
from remit_server.rules.relations.model import Model
from remit_server.rules.relations.programs import Along, Either, Every, Kinds, Plan, Same, Tuples, Without, programs
from remit_server.rules.relations.solving import Gate, TooComplex
from remit_server.rules.relations.tuples import kind_of

Outcome = Literal["yes", "no", "unknown"]


class Way:
    """A plan at an object."""

    __slots__ = ("gate", "hops", "parts", "plan", "same")

    def __init__(self, plan: Plan, gate: Gate, parts: Sequence[Way] = ()) -> None:
        self.plan, self.gate, self.parts = plan, gate, parts
        self.same: Node | None = None
        """The node that it stands for."""
        self.hops: list[Link] = []


class Link:
    """A tuple that leads on, or to the subject."""

    __slots__ = ("error", "fact", "gate", "met", "need", "to")

    def __init__(self, need: Holders, fact: Fact, to: Node | None) -> None:
        self.need, self.fact, self.to = need, fact, to
        self.met: Outcome = "yes"
        self.error: InvalidRequest | None = None
        self.gate = Gate()


class Place:
    """An object and a relation to it."""

    __slots__ = ("gate", "itself", "way")

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.way: Way | None = None
        self.itself = False


class Ways:
    """The graph of a question, as far as it has been read, with all that was found on it."""

    def __init__(self, model: Model, question: Question) -> None:
        self.model, self.question = model, question
        self.programs, self._kind = programs(model), kind_of(question.subject)
        self.nodes: dict[Node, Place] = {}
        self.gates: list[Gate] = []
        self.reads: list[tuple[Holders, Way, Kinds, str | None]] = []
        """What is read next; and the relation that is asked of whoever is found, empty for a userset's own, None for none."""
        self.unread: set[Way] = set()
        self._unopened: list[Node] = []

    @property
    def size(self) -> int:
        return len(self.nodes)

    def node(self, node: Node) -> Place:
        if node not in self.nodes:
            one = self.nodes[node] = Place(self._gate())
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

    def _way(self, plan: Plan, object_: str) -> Way:
        match plan:
            case Either(plans) | Every(plans):
                parts = [self._way(part, object_) for part in plans]
                return Way(plan, self._gate("any" if isinstance(plan, Either) else "all", _gates(parts)), parts)
            case Without(base, without):
                parts = [self._way(base, object_), self._way(without, object_)]
                return Way(plan, self._gate("less", _gates(parts)), parts)
            case Same(relation):
                way = Way(plan, self._gate())
                way.same = (object_, relation)
                way.gate.take(self.node(way.same).gate)
            case Tuples(relation, exact, usersets):
                way = Way(plan, self._gate())
                for kind, conditions in exact:
                    subject = self.question.subject if kind == self._kind else kind
                    self.reads.append((Holders(object_, relation, kind, subject), way, conditions, None))
                for kind, conditions in usersets:
                    self.reads.append((Holders(object_, relation, kind), way, conditions, ""))
            case Along(relation, source, kinds):
                way = Way(plan, self._gate())
                for kind, conditions in kinds:
                    self.reads.append((Holders(object_, source, kind), way, conditions, relation))
        return way

    def _hop(self, need: Holders, way: Way, fact: Fact, leads: str | None) -> None:
        subject, condition, context = fact
        if leads == "" and subject == self.question.subject:
            return  # it was read as a tuple that names the subject
        object_, _, relation = subject.partition("#")
        hop = Link(need, fact, None if leads is None else (object_, leads or relation))
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


def _gates(ways: Iterable[Way]) -> list[Gate]:
    return [way.gate for way in ways]


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
