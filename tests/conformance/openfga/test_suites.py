"""OpenFGA's own two suites, over HTTP, on both databases.

A test of a suite is a store whose stages follow one another: a model, more tuples, and what must hold then. Each of one stage
runs a second time with nothing stored: every question brings the tuples along. List-objects is asked plain and streamed, and
whatever is listed is checked one by one.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from tests.fixtures.databases import BACKENDS, NewDatabase
from tests.fixtures.house import built
from tests.fixtures.openfga import NUMBERS, Fga, registered, speaking
from tests.ledger import proves

SUITES = ("consolidated_1_1_tests", "abac_tests")
AT_ONCE = 40
"""Tuples of one write, as in OpenFGA's runner."""
KINDS = ("checkAssertions", "listObjectsAssertions", "listUsersAssertions")


class Case(NamedTuple):
    name: str
    stages: list[dict[str, Any]]
    stored: bool = True

    def __str__(self) -> str:
        return self.name if self.stored else f"{self.name} (contextual)"


@cache
def cases() -> tuple[Case, ...]:
    found = []
    for suite in SUITES:
        text = (Path(__file__).parent / f"{suite}.yaml").read_text()
        for test in yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["tests"]:
            found.append(Case(test["name"], test["stages"]))
            if len(test["stages"]) == 1:
                found.append(Case(test["name"], test["stages"], stored=False))
    return tuple(found)


def assertions(case: Case) -> Iterator[dict[str, Any]]:
    return itertools.chain.from_iterable(stage.get(kind) or () for stage in case.stages for kind in KINDS)


def test_nothing_of_the_suites_is_left_out() -> None:
    stored = [case for case in cases() if case.stored]
    assert (len(stored), len(cases())) == (160, 296)
    assert sum(len(list(assertions(case))) for case in stored) == 1216


@pytest.fixture(scope="module", params=BACKENDS)
async def fga(request: pytest.FixtureRequest, new_database: NewDatabase) -> AsyncIterator[Fga]:
    async with built(new_database(request.param)) as house:
        await registered(house)
        fga = await speaking(house)
        async with fga.http:
            yield fga


@proves("relations.openfga-suites")
@pytest.mark.parametrize("case", cases(), ids=str)
async def test_suite(fga: Fga, case: Case) -> None:
    wrong = []
    await fga.begin("suite")
    for number, stage in enumerate(case.stages):
        await fga.define(stage["model"])
        tuples = list(stage.get("tuples") or ())
        random.shuffle(tuples)
        if case.stored:
            for some in _chunks(tuples):
                await fga.good("write", writes={"tuple_keys": some})
            tuples = []
        for kind, judge in zip(KINDS, (_check, _list_objects, _list_users), strict=True):
            for place, assertion in enumerate(stage.get(kind) or ()):
                brought = [*(assertion.get("contextualTuples") or ()), *tuples]
                if fault := await judge(fga, assertion, brought):
                    wrong.append(f"stage {number}, {kind}[{place}]: {fault}\n  {assertion}")
    assert not wrong, "\n".join(wrong)


def _chunks(tuples: list[Any]) -> Iterator[list[Any]]:
    return (tuples[at : at + AT_ONCE] for at in range(0, len(tuples), AT_ONCE))


Assertion = Mapping[str, Any]


def _error(assertion: Assertion, status: int, said: Any) -> str | None:
    """What is wrong where an error is expected; for anything else, whether there is one."""
    expected = NUMBERS.get(assertion.get("errorCode", 0))
    if expected:
        return None if (status, said.get("code")) == (400, expected) else f"{expected} expected, got {status} {said}"
    return None if status == 200 else f"{status} {said}"


async def _check(fga: Fga, assertion: Assertion, brought: list[Any]) -> str | None:
    context = assertion.get("context") or {}
    status, said = await fga.ask(
        "check", tuple_key=assertion["tuple"], contextual_tuples={"tuple_keys": brought}, context=context, trace=True
    )
    if "errorCode" in assertion or status != 200:
        return _error(assertion, status, said)
    expected = assertion.get("expectation", False)
    return None if said["allowed"] is expected else f"{expected} expected, got {said}"


async def _list_objects(fga: Fga, assertion: Assertion, brought: list[Any]) -> str | None:
    context, asked = assertion.get("context") or {}, assertion["request"]
    circumstances = {"contextual_tuples": {"tuple_keys": brought}, "context": context}
    status, said = await fga.ask("list-objects", **asked, **circumstances)
    at, lines = await fga.streamed(**asked, **circumstances)
    if "errorCode" in assertion or status != 200:
        fault = _error(assertion, status, said)
        return fault or (
            None if at == 400 or any("error" in line for line in lines) else f"streamed no error: {at} {lines}"
        )
    expected, streamed = sorted(assertion.get("expectation") or ()), sorted(line["result"]["object"] for line in lines)
    if not (sorted(said["objects"]) == streamed == expected):
        return f"{expected} expected, got {said}, streamed {streamed}"
    for object_ in said["objects"]:
        key = {"user": asked["user"], "relation": asked["relation"], "object": object_}
        again = await fga.ask("check", tuple_key=key, **circumstances)
        if again[0] != 200 or not again[1]["allowed"]:
            return f"{object_} is listed, but checked it is {again}"
    return None


async def _list_users(fga: Fga, assertion: Assertion, brought: list[Any]) -> str | None:
    context, asked = assertion.get("context") or {}, assertion["request"]
    type_, _, id_ = asked["object"].partition(":")
    filters = [dict(zip(("type", "relation"), each.split("#"), strict=False)) for each in asked["filters"]]
    status, said = await fga.ask(
        "list-users", object={"type": type_, "id": id_}, relation=asked["relation"], user_filters=filters,
        contextual_tuples=brought, context=context,
    )  # fmt: skip
    if "errorCode" in assertion or status != 200:
        return _error(assertion, status, said)
    expected, users = sorted(assertion.get("expectation") or ()), sorted(_written(user) for user in said["users"])
    if users != expected:
        return f"{expected} expected, got {users}"
    for user in users:
        key = {"user": user, "relation": asked["relation"], "object": asked["object"]}
        again = await fga.ask("check", tuple_key=key, contextual_tuples={"tuple_keys": brought}, context=context)
        if again[0] != 200 or not again[1]["allowed"]:
            return f"{user} is listed, but checked it is {again}"
    return None


def _written(user: Mapping[str, Any]) -> str:
    ((kind, of),) = user.items()
    match kind:
        case "object":
            return f"{of['type']}:{of['id']}"
        case "userset":
            return f"{of['type']}:{of['id']}#{of['relation']}"
        case _:
            return f"{of['type']}:*"
