"""AuthZEN's public vectors, over HTTP, whoever answers for the relations."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.authzen import policies
from tests.conformance.authzen.asking import asking
from tests.fixtures.house import House
from tests.fixtures.openfga_server import Furnish
from tests.ledger import proves

pytestmark = proves("authzen.vectors")


async def replay(house: House, path: str, cases: list[dict[str, Any]]) -> list[Any]:
    """What was answered to each case."""
    asker = await asking(house)
    answers = []
    for case in cases:
        status, said = await asker.call("POST", path, case["request"])
        assert status == 200, said
        answers.append(said)
    return answers


@pytest.mark.parametrize("version", ["todo-01", "todo-02"])
async def test_todos(furnish: Furnish, version: str) -> None:
    house = await furnish(policies.TODO, *policies.todos())
    vectors = policies.read(version)
    said = await replay(house, "/access/v1/evaluation", vectors["evaluation"])
    assert [one["decision"] for one in said] == [case["expected"] for case in vectors["evaluation"]]
    many = vectors.get("evaluations", [])
    said = await replay(house, "/access/v1/evaluations", many) if many else []
    decisions = [[{"decision": each["decision"]} for each in one["evaluations"]] for one in said]
    assert decisions == [case["expected"] for case in many]


@pytest.mark.parametrize("version", ["todo", "todo-00"])
async def test_todos_of_the_first_drafts(furnish: Furnish, version: str) -> None:
    house = await furnish(policies.TODO, *policies.todos(stored_owners=True))
    ((_, cases),) = policies.read(version).items()
    said = await replay(house, "/access/v1/evaluation", cases)
    assert [one["decision"] for one in said] == [case["expected"] for case in cases]


async def test_the_gateway(furnish: Furnish) -> None:
    house = await furnish(policies.GATEWAY, *policies.routes())
    cases = policies.read("gateway")["evaluation"]
    said = await replay(house, "/access/v1/evaluation", cases)
    assert [one["decision"] for one in said] == [case["expected"] for case in cases]


@pytest.mark.parametrize("target", ["subject", "resource", "action"])
async def test_searches(furnish: Furnish, target: str) -> None:
    house = await furnish(policies.RECORDS, *policies.records())
    cases = policies.read(f"search-{target}")["evaluation"]
    if target == "resource":
        cases += policies.read("idp")["search"]
    said = await replay(house, f"/access/v1/search/{target}", cases)
    for answer, case in zip(said, cases, strict=True):
        assert _in_order(answer["results"]) == _in_order(case["expected"]["results"]), case["request"]


def _in_order(results: list[dict[str, str]]) -> list[tuple[str, ...]]:
    return sorted(tuple(sorted(one.values())) for one in results)
