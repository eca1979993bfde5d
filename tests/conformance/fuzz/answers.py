"""The two sides: Remit's reasoning over tuples in memory, and the engine of OpenFGA inside its command line tool."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from tests.conformance.fuzz.cases import Case, Check, ListObjects, ListUsers, Question
from tests.rules.relations.memory import answered

from remit_server.errors import InvalidRequest
from remit_server.rules.relations.check import Asker, check
from remit_server.rules.relations.facts import Contextual
from remit_server.rules.relations.list_objects import list_objects
from remit_server.rules.relations.list_users import Sought, list_users
from remit_server.rules.relations.model import Model, compiled
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.rules.relations.writing import written

FGA: Final = Path(sys.executable).parent / "fga"
Answer = bool | frozenset[str] | str
"""Yes or no, what was listed, or the kind of error."""
ERROR: Final = "error"
Answers = dict[Question, Answer]


def ours(case: Case, seed: object = 0) -> Answers:
    """Each answer, with the tuples stored, brought by the question, or some here and some there."""
    model = compiled(case.model)
    made = random.Random(str(seed))
    share = made.choice((0, 0, 0.5, 1))
    brought = [each for each in case.tuples if made.random() < share]
    stored = [each for each in case.tuples if each not in brought]
    return {question: _answer(model, question, stored, Contextual(brought)) for question in case.questions}


def _answer(model: Model, question: Question, stored: list[RelationTuple], brought: Contextual) -> Answer:
    context = json.loads(question.context)
    try:
        match question:
            case Check(user, relation, object_):
                [verdict], _ = answered(check(model, Asker(user, brought, context), [(object_, relation)]), stored)
                return verdict if isinstance(verdict, bool) else ERROR
            case ListObjects(user, relation, type_):
                found, _ = answered(list_objects(model, Asker(user, brought, context), type_, relation), stored)
            case ListUsers(object_, relation, kind):
                found, _ = answered(list_users(model, Sought(object_, relation, kind, brought, context)), stored)
        assert not found.partial
        return frozenset(found.found)
    except InvalidRequest:
        return ERROR


def theirs(cases: Sequence[Case], folder: Path) -> list[Answers | str]:
    """Of all cases in one run of the tool; a text where it refuses the case itself."""
    answers: list[Answers | str] = [""] * len(cases)
    for place, case in enumerate(cases):
        (folder / f"{place:05}.fga.yaml").write_text(json.dumps(_store(case, place)))
    while True:
        run = subprocess.run(
            [FGA, "model", "test", "--verbose", "--suppress-summary", "--tests", folder / "*.fga.yaml"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        refused = re.search(r"(\d{5})\.fga\.yaml[^\n]*", run.stderr) if not run.stdout.startswith("[") else None
        if refused is None:
            break
        answers[int(refused[1])] = refused[0]
        (folder / f"{refused[1]}.fga.yaml").unlink()
    for result in json.loads(run.stdout or "[]"):
        place = int(result["name"])
        answers[place] = dict(_results(result, cases[place].questions))
    return answers


def _store(case: Case, place: int) -> dict[str, Any]:
    """In the tool's form. What is expected does not matter: what it got is printed."""
    test: dict[str, Any] = {"name": str(place), "check": [], "list_objects": [], "list_users": []}
    for question in case.questions:
        context = {"context": json.loads(question.context)}
        match question:
            case Check(user, relation, object_):
                test["check"].append({"user": user, "object": object_, "assertions": {relation: True}, **context})
            case ListObjects(user, relation, type_):
                test["list_objects"].append({"user": user, "type": type_, "assertions": {relation: []}, **context})
            case ListUsers(object_, relation, kind):
                type_, _, member = kind.partition("#")
                filter_ = {"type": type_, **({"relation": member} if member else {})}
                test["list_users"].append(
                    {"object": object_, "user_filter": [filter_], "assertions": {relation: {"users": []}}, **context}
                )
    test = {name: value for name, value in test.items() if value}
    return {"name": str(place), "model": written(case.model), "tuples": [_tuple(each) for each in case.tuples],
            "tests": [test]}  # fmt: skip


def _tuple(one: RelationTuple) -> dict[str, Any]:
    condition = {"name": one.condition, "context": json.loads(one.context or "{}")}
    return {"user": one.subject, "relation": one.relation, "object": one.object,
            **({"condition": condition} if one.condition else {})}  # fmt: skip


def _results(result: dict[str, Any], questions: Iterable[Question]) -> Iterable[tuple[Question, Answer]]:
    """The tool answers each list of questions in its order."""
    by_kind = {"check_results": Check, "list_objects_results": ListObjects, "list_users_results": ListUsers}
    for name, kind in by_kind.items():
        asked = [question for question in questions if isinstance(question, kind)]
        for question, found in zip(asked, result[name] or [], strict=True):
            got = found["got"]
            if found["error"] is not None:
                yield question, ERROR
            elif kind is Check:
                yield question, got
            else:
                yield question, frozenset((got["users"] if kind is ListUsers else got) or ())
