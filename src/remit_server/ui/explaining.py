"""From a reason (`rules/relations/why.py`) to the way that a page draws: stations, and branches where it parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from remit_server.rules.relations.check import Node, Question
from remit_server.rules.relations.model import Model
from remit_server.rules.relations.tuples import RelationTuple, kind_of
from remit_server.rules.relations.why import Hop, Reason, Why
from remit_server.ui.relating import drawn, known_of, room
from remit_server.ui.views.relations import Answer, Branch, Step

DEEPEST: Final = 3
"""Branches within each other that still fit on a phone."""
_HAS: Final = {"yes": "has", "no": "does not have", "unknown": "may or may not have"}
_WORDS: Final = {
    ("any", "no"): "One of these would be enough, and none holds.",
    ("any", "unknown"): "One of these would be enough; whether one holds cannot be told.",
    ("all", "yes"): "All of these are needed, and all hold.",
    ("all", "no"): "All parts of this are needed, and not all hold.",
    ("all", "unknown"): "All parts of this are needed; whether they hold cannot be told.",
    ("but not", "yes"): "The first is needed and holds. The second would take it away, and does not hold.",
    ("but not", "unknown"): "The second takes away what the first gives; which of them hold cannot be told.",
}
_BLOCKED: Final = "The second holds, and takes away what the first gives."
_ENDS: Final = {
    "itself": "This is the very set that was asked about.",
    "never": "The model has no way for such a user to come here.",
    "again": "This was shown before, or leads round in a circle: nothing new comes of it.",
    "unread": "This lies beyond the limits of what is looked at.",
}


def answer(store_id: str, model: Model, question: Question, why: Why) -> Answer:
    """A verdict in words, and the way to it."""
    steps = tuple(_Drawing(store_id, model, question, helps=why.outcome != "yes").way(why.reason))
    return Answer(
        outcome=why.outcome,
        sentence=f"{question.subject} {_HAS[why.outcome]} {question.relation} of {question.object}.",
        summary=why.error.text if why.error else _summary(question, why),
        steps=steps,
        cut="There is more than is drawn here. Ask about one of the stations to see further." if why.cut else None,
    )


class _Drawing:
    def __init__(self, store_id: str, model: Model, question: Question, *, helps: bool) -> None:
        self._store_id, self._model, self._question, self._helps = store_id, model, question, helps
        """`helps`: whether a tuple that is missing would make it a yes."""

    def way(
        self, reason: Reason, depth: int = 0, *, rule: str | None = None, here: Node | None = None
    ) -> Iterator[Step]:
        """The stations of a way. `rule` stands in for the reason's own; `here` is where the way parted, which needs no station
        of its own again."""
        rule = reason.rule if rule is None else rule
        match reason.how:
            case "same":
                if here is None:
                    yield self._step(reason, rule=rule)
                yield from self.way(reason.parts[0], depth)
            case "any" | "all" | "but not" if len(reason.parts) == 1:
                yield from self.way(reason.parts[0], depth, rule=rule, here=here)
            case "any" | "all" | "but not":
                yield self._parting(reason, depth, rule, here)
            case "tuples" | "from":
                yield from self._along(reason, depth, rule, here)
            case end:
                yield self._step(reason, here, note=_ENDS[end], on=end == "unread" and depth > 0)

    def _parting(self, reason: Reason, depth: int, rule: str, here: Node | None) -> Step:
        words = _WORDS.get((reason.how, reason.outcome), _BLOCKED)
        if depth == DEEPEST:
            return self._step(reason, here, rule=rule, words=words, on=True)
        return self._step(reason, here, rule=rule, words=words, branches=tuple(self._branches(reason, depth + 1)))

    def _branches(self, reason: Reason, depth: int) -> Iterator[Branch]:
        for place, part in enumerate(reason.parts):
            taken = reason.how == "but not" and place == 1
            before, self._helps = self._helps, self._helps and not taken
            steps = tuple(self.way(part, depth, rule="", here=(reason.object, reason.relation)))
            self._helps = before
            yield Branch(outcome=part.outcome, label=f"but not {part.rule}" if taken else part.rule, steps=steps)

    def _along(self, reason: Reason, depth: int, rule: str, here: Node | None) -> Iterator[Step]:
        """On along tuples: one after the other where there is one, else in branches."""
        hops, more = reason.hops, f"{reason.more:,} more tuples lead no further." if reason.more else ""
        if not hops:
            yield self._step(reason, here, rule=rule, note=self._nothing(reason), add=reason.how == "tuples")
        elif len(hops) == 1:
            (hop,) = hops
            yield self._step(reason, here, rule=rule, hop=hop, note=_met(hop))
            yield from self._onward(hop, depth)
        elif depth == DEEPEST:
            yield self._step(reason, here, rule=rule, words=f"{len(hops) + reason.more:,} tuples lead on.", on=True)
        else:
            branches = tuple(
                Branch(outcome=hop.outcome, label=hop.tuple.subject, steps=tuple(self._branch(hop, depth + 1)))
                for hop in hops
            )
            yield self._step(reason, here, rule=rule, note=more, branches=branches)

    def _branch(self, hop: Hop, depth: int) -> Iterator[Step]:
        yield Step(outcome=hop.outcome, tuples=(drawn(self._store_id, hop.tuple),), note=_met(hop))
        yield from self._onward(hop, depth)

    def _onward(self, hop: Hop, depth: int) -> Iterator[Step]:
        if hop.leads is not None:
            yield from self.way(hop.leads, depth)
        elif hop.condition != "no":
            user = hop.tuple.subject
            words = "which is everybody of this type" if user.endswith(":*") else ""
            yield Step(place=user, outcome=hop.outcome, words=words, href=known_of(self._store_id, user))

    def _step(
        self, reason: Reason, here: Node | None = None, *, hop: Hop | None = None, on: bool = False, add: bool = False,
        **more: Any,
    ) -> Step:  # fmt: skip
        new = here != (reason.object, reason.relation)
        return Step(
            place=reason.object if new else "",
            relation=reason.relation if new else "",
            outcome=reason.outcome,
            tuples=(drawn(self._store_id, hop.tuple),) if hop else (),
            href=room(self._store_id, "tuples", object=reason.object, relation=reason.relation),
            on_href=self._asked(reason) if on else None,
            add_href=self._adding(reason) if add else None,
            **more,
        )

    def _nothing(self, reason: Reason) -> str:
        if reason.how == "from":
            return f"Nothing is {reason.rule.rpartition(' from ')[2]} of it."
        return f"No tuple names {self._question.subject}" + (", or a set of users." if "#" in reason.rule else ".")

    def _asked(self, reason: Reason) -> str:
        context = {
            f"context.{name}": value if isinstance(value, str) else msgspec.json.encode(value).decode()
            for name, value in self._question.context.items()
        }
        asked = {"user": self._question.subject, "relation": reason.relation, "object": reason.object}
        return room(self._store_id, "why", **asked, **context)

    def _adding(self, reason: Reason) -> str | None:
        """The form for the tuple that would make it a yes, where the model takes it."""
        relation = self._model.relation(reason.object.partition(":")[0], reason.relation)
        allowed = relation.kinds.get(kind_of(self._question.subject)) if relation else None
        if not self._helps or allowed is None:
            return None
        named = {"object": reason.object, "relation": reason.relation, "user": self._question.subject}
        condition = "" if "" in allowed else min(allowed)
        filled = {f"add.{name}": value for name, value in {**named, "condition": condition}.items()}
        return room(self._store_id, "tuples", object=reason.object, relation=reason.relation, **filled)


def _met(hop: Hop) -> str:
    """What became of a tuple's condition."""
    tuple_ = hop.tuple
    if not tuple_.condition:
        return ""
    if hop.condition == "unknown":
        return hop.error
    told = ", ".join(f"{name} {_value(value)}" for name, value in hop.values.items())
    return f"The condition {tuple_.condition} {'holds' if hop.condition == 'yes' else 'does not hold'}" + (
        f" with {told}." if told else "."
    )


def _value(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _summary(question: Question, why: Why) -> str:
    """The way without its drawing, where it does not part; else how many ways there were."""
    if why.outcome == "yes":
        said = [f"{each.subject} is {each.relation} of {each.object}" for each in _line(why.reason)]
        return f"Because {' and '.join(said)}." if said else ""
    ends = sum(_ends(why.reason))
    if not ends:
        return ""
    return f"{ends:,} {'way was' if ends == 1 else 'ways were'} followed, and no way leads to {question.subject}."


def _line(reason: Reason) -> list[RelationTuple]:
    """The tuples of a way that does not part, from the user on; of one that does, none. What could have taken it away does
    not count."""
    found: list[RelationTuple] = []
    while True:
        if len(reason.parts) > 1 and reason.how != "but not":
            return []
        found += [hop.tuple for hop in reason.hops]
        onward = next((hop.leads for hop in reason.hops if hop.leads), None) or next(iter(reason.parts), None)
        if onward is None:
            return found[::-1]
        reason = onward


def _ends(reason: Reason) -> Iterator[int]:
    onward: Sequence[Reason] = [*reason.parts, *(hop.leads for hop in reason.hops if hop.leads)]
    yield sum(hop.leads is None for hop in reason.hops) or int(not onward and reason.how != "again")
    for each in onward:
        yield from _ends(each)
