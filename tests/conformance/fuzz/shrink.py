"""A disagreement, made as small as it goes."""

from __future__ import annotations

from dataclasses import replace

from tests.conformance.fuzz.answers import Answer
from tests.conformance.fuzz.cases import Case, Question, smaller
from tests.conformance.fuzz.compare import Disagreement, compare

from remit_server.rules.relations.model import compiled
from remit_server.rules.relations.tuples import kind_of
from remit_server.rules.relations.writing import written


def shrunk(case: Case, difference: Disagreement) -> Case:
    """The least case on which the two disagree in the same way."""
    one = replace(case, questions=(difference.question,))
    while True:
        for less in smaller(one):
            if _sayable(less, difference.question) and _differs(less, difference):
                one = less
                break
        else:
            return one


def _differs(case: Case, difference: Disagreement) -> bool:
    found = compare([case], [""]).disagreements
    return bool(found) and _way(found[0]) == _way(difference)


def _way(difference: Disagreement) -> object:
    our, their = difference.ours, difference.theirs
    if isinstance(our, frozenset) and isinstance(their, frozenset):
        return bool(our - their), bool(their - our)
    return (our if isinstance(our, str | bool) else "listed"), (their if isinstance(their, str | bool) else "listed")


def told(case: Case, difference: Disagreement, seed: str) -> str:
    """For whoever mends it: the least case, as a model, tuples, a question and two answers."""
    less = shrunk(case, difference)
    found = next(iter(compare([less], [""]).disagreements), difference)
    tuples = "\n".join(" ".join(filter(None, each)) for each in less.tuples)
    return (
        f"\nseed {seed}: {difference.question}\n{written(less.model)}\n{tuples}\n"
        f"ours: {_shown(found.ours)}\ntheirs: {_shown(found.theirs)}\n"
    )


def _shown(answer: Answer) -> str:
    return str(sorted(answer) if isinstance(answer, frozenset) else answer)


def _sayable(case: Case, question: Question) -> bool:
    """Whether the model still defines what the question names."""
    model = compiled(case.model)
    for place, name in zip(question._fields, question, strict=True):
        if place == "object" or place == "type":
            if model.relation(name.partition(":")[0], question.relation) is None:
                return False
        elif place in {"user", "kind"}:
            type_, mark, member = (
                kind_of(name).removesuffix(":*").partition("#") if place == "user" else name.partition("#")
            )
            if type_ not in model.types or (mark and member not in model.types[type_]):
                return False
    return True
