"""Where the two sides differ, and whether that is a disagreement. OpenFGA (1.22.0) is not always of one mind:

settled        It gives up, or not, on a tuple whose condition cannot be evaluated, by the path on which it happens to meet it.
               Where one side gave up, such tuples are settled either way, and both are asked again: they must agree, and what
               was answered must be the answer in each of them.
cycle          A cycle below an `and` or a `but not` is a denial for everybody (internal/graph/check.go, exclusion), unless a faster
               resolver happens to see it. The plain meaning of the tuples must be our yes.
recursion      Where a relation takes its own userset and another one of the same type, which nobody of the user's type can be in,
               the recursive resolver (recursive_resolver.go) takes the one for the other, and says yes. The plain meaning of
               the tuples must be our no.
contradiction  Its lists and its own check contradict each other: one of them must be of our opinion. It forgets `user:*` where the
               user has a tuple of their own whose condition does not hold.
named          Both list everybody, and one of them names somebody who may, besides.
unsteady       It says now this, now that; one of it is what we say.
cautious       Once it is we: where a cycle or a `but not` leaves nobody, whatever an unclear condition says, we give up and OpenFGA
               says no.

Each is counted. What is left is a disagreement.
"""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from tests.conformance.fuzz.answers import ERROR, Answer, Answers, ours, theirs
from tests.conformance.fuzz.cases import Case, Check, ListObjects, ListUsers, Question
from tests.conformance.fuzz.plainly import Plain

from remit_server.rules.relations.conditions import Unevaluable
from remit_server.rules.relations.model import compiled

SETTLED: Final = {"young": '{"age": 1}', "inside": '{"age": 70, "place": "", "places": []}'}
"""What a tuple tells its condition so that it holds."""
MOST: Final = 16
"""Ways to settle that are asked for."""
AGAIN: Final = 4
"""How often the other side is asked again before its answer counts as its answer."""


class Disagreement(NamedTuple):
    place: int
    question: Question
    ours: Answer
    theirs: Answer


@dataclass
class Outcome:
    cases: int = 0
    asked: int = 0
    refused: list[int] = field(default_factory=list)
    """Cases that the other side does not take."""
    excused: Counter[str] = field(default_factory=Counter)
    """Questions by the way in which the other side is not of one mind."""
    disagreements: list[Disagreement] = field(default_factory=list)

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(
            self.cases + other.cases,
            self.asked + other.asked,
            self.refused + other.refused,
            self.excused + other.excused,
            self.disagreements + other.disagreements,
        )

    def __str__(self) -> str:
        excused = ", ".join(f"{count} {name}" for name, count in sorted(self.excused.items())) or "none"
        return (
            f"{self.cases} cases ({len(self.refused)} of them refused by OpenFGA), {self.asked} questions, "
            f"{len(self.disagreements)} disagreements; excused: {excused}"
        )


def compare(cases: Sequence[Case], seeds: Sequence[str]) -> Outcome:
    """The seeds tell which of the tuples each question brings along."""
    outcome = Outcome(len(cases))
    with TemporaryDirectory() as folder:
        their = theirs(cases, Path(folder))
    for place, (case, found) in enumerate(zip(cases, their, strict=True)):
        if isinstance(found, str):
            outcome.refused.append(place)
            continue
        outcome.asked += len(case.questions)
        for question, answer in ours(case, seeds[place]).items():
            if answer != (other := _plain(question, found[question])):
                difference = Disagreement(place, question, answer, other)
                if excuse := _excuse(replace(case, questions=(question,)), difference):
                    outcome.excused[excuse] += 1
                else:
                    outcome.disagreements.append(difference)
    return outcome


def _excuse(case: Case, difference: Disagreement) -> str | None:
    if ERROR in (difference.ours, difference.theirs) or _unclear(case, difference.question):
        found = _settled(case, difference)
    elif isinstance(difference.question, Check):
        found = _check_excuse(case, difference.question, ours=bool(difference.ours))
    else:
        found = _list_excuse(case, difference)
    return found or ("unsteady" if _unsteady(case, difference) else None)


def _check_excuse(case: Case, question: Check, *, ours: bool) -> str | None:
    """No condition of the case is unclear."""
    plain = Plain(compiled(case.model), case.tuples, question.context)
    if plain.check(question.user, question.relation, question.object) != ours:
        return None
    if plain.cyclic(question.relation, question.object) and ours:
        return "cycle"
    if plain.recursive(question.relation, question.object) and not ours:
        return "recursion"
    listing = ListObjects(question.user, question.relation, question.object.partition(":")[0], question.context)
    [answers] = _asked([replace(case, questions=(listing,))])
    listed = answers[listing]
    return "contradiction" if isinstance(listed, frozenset) and (question.object in listed) == ours else None


def _list_excuse(case: Case, difference: Disagreement) -> str | None:
    """Each that one side lists and the other does not, by the other side's own check."""
    assert isinstance(difference.ours, frozenset)
    assert isinstance(difference.theirs, frozenset)
    everybody = any(each.endswith(":*") for each in difference.ours & difference.theirs)
    found: set[str | None] = set()
    for one in difference.ours ^ difference.theirs:
        question, listed = _as_check(difference.question, one), one in difference.ours
        if everybody:
            found.add("named" if _holds(case, question) else None)
            continue
        [answers] = _asked([replace(case, questions=(question,))])
        found.add("contradiction" if answers[question] == listed else _check_excuse(case, question, ours=listed))
    return None if None in found else " and ".join(sorted(map(str, found)))


def _holds(case: Case, question: Check) -> bool:
    plain = Plain(compiled(case.model), case.tuples, question.context)
    return plain.check(question.user, question.relation, question.object)


def _as_check(question: Question, one: str) -> Check:
    match question:
        case ListObjects(user, relation, _, context):
            return Check(user, relation, one, context)
        case ListUsers(object_, relation, _, context):
            return Check(one, relation, object_, context)
    return question


def _plain(question: Question, answer: Answer) -> Answer:
    """Asked for `group#member`, OpenFGA lists plain groups among the usersets, which nobody asked for."""
    if isinstance(question, ListUsers) and "#" in question.kind and isinstance(answer, frozenset):
        return frozenset(each for each in answer if "#" in each)
    return answer


def _settled(case: Case, difference: Disagreement) -> str | None:
    question, mine = difference.question, set()
    settlements = list(_settlements(case, question))
    for settled, their in zip(settlements, _asked(settlements), strict=True):
        one = Disagreement(difference.place, question, ours(settled)[question], their[question])
        if one.ours == ERROR or (one.ours != one.theirs and not _excuse(settled, one)):
            return None
        mine.add(one.ours)
    if difference.ours != ERROR:
        return "settled" if mine == {difference.ours} else None
    if len(mine) > 1:
        return "settled"
    return "cautious" if mine == {difference.theirs} and True not in mine else None


def _settlements(case: Case, question: Question) -> Iterator[Case]:
    """The case with each tuple that cannot be judged either certain or gone."""
    unclear = _unclear(case, question)
    ways = list(itertools.islice(itertools.product((True, False), repeat=len(unclear)), 4096))
    for way in random.Random(0).sample(ways, min(MOST, len(ways))) if len(ways) > MOST else ways:
        holds = dict(zip(unclear, way, strict=True))
        kept = [(place, each) for place, each in enumerate(case.tuples) if holds.get(place, True)]
        yield replace(case, tuples=tuple(
            each._replace(context=SETTLED[each.condition]) if place in holds else each for place, each in kept
        ))  # fmt: skip


def _unclear(case: Case, question: Question) -> list[int]:
    model, context = compiled(case.model), json.loads(question.context)
    unclear = []
    for place, each in enumerate(case.tuples):
        if each.condition:
            try:
                model.conditions[each.condition].evaluate(each.context, context)
            except Unevaluable:
                unclear.append(place)
    return unclear


def _unsteady(case: Case, difference: Disagreement) -> bool:
    return any(answers[difference.question] == difference.ours for answers in _asked([case] * AGAIN))


def _asked(cases: Sequence[Case]) -> list[Answers]:
    with TemporaryDirectory() as folder:
        found = theirs(cases, Path(folder))
    return [{question: _plain(question, answer) for question, answer in each.items()}
            for each in found if not isinstance(each, str)]  # fmt: skip
