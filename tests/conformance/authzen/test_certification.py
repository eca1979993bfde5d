"""What the certification scenario of AuthZEN asks, level by level; its own numbers of sections stand beside the cases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.conformance.authzen import policies
from tests.conformance.authzen.asking import asking
from tests.fixtures.house import House
from tests.fixtures.openfga import Fga
from tests.fixtures.openfga_server import Furnish
from tests.ledger import proves

pytestmark = proves("authzen.certification")

ALICE, BOB = {"type": "user", "id": "alice"}, {"type": "user", "id": "bob"}
ADMIN = {**BOB, "properties": {"role": "admin"}}
RECORD_1, RECORD_2 = {"type": "record", "id": "record-1"}, {"type": "record", "id": "record-2"}
ACTIVE = {**RECORD_1, "properties": {"status": "active"}}
ARCHIVED = {**RECORD_2, "properties": {"status": "archived"}}
READ, WRITE = {"name": "read"}, {"name": "write"}
CONTEXT = {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}


@pytest.fixture
async def at(furnish: Furnish) -> House:
    return await furnish(policies.FIXTURE, *policies.fixture())


@pytest.fixture
async def pep(at: House) -> Fga:
    return await asking(at)


def asked(subject: Any, action: Any, resource: Any, **more: Any) -> dict[str, Any]:
    whole = {"subject": subject, "action": action, "resource": resource, **more}
    return {name: value for name, value in whole.items() if value is not None}


def soft(value: bool) -> dict[str, Any]:
    return {"name": "delete", "properties": {"soft": value}}


DECISIONS = [
    (asked(ALICE, READ, RECORD_1), True),  # 2.2.1
    (asked(BOB, WRITE, RECORD_1), False),  # 2.2.2
    (asked(ALICE, WRITE, RECORD_1), True),  # rule 2
    (asked(BOB, READ, RECORD_1), True),  # rule 3
    (asked(ALICE, READ, RECORD_1, context=CONTEXT), True),  # 2.2.3
    (asked(ALICE, WRITE, ARCHIVED), False),  # 2.2.4
    (asked(ADMIN, WRITE, ARCHIVED), True),  # 2.2.5
    (asked(ALICE, soft(True), RECORD_1), True),  # 2.2.6
    (asked(ALICE, soft(False), RECORD_1), False),  # 2.2.7
    (
        asked(
            {**ALICE, "properties": {"department": "Sales", "role": "manager"}},
            {**READ, "properties": {"method": "GET"}},
            {**RECORD_1, "properties": {"status": "active", "owner": "bob"}},
        ),
        True,
    ),  # 2.2.8
    (asked(ALICE, READ, RECORD_1, foo="bar", futureField={"nested": True}), True),  # 2.2.9
]


async def test_basic(pep: Fga) -> None:
    for body, decision in DECISIONS:
        for _ in range(2):  # 2.6: the same again
            assert await pep.call("POST", "/access/v1/evaluation", body) == (200, {"decision": decision})


MALFORMED = [
    *(asked(*whole) for whole in ((None, READ, RECORD_1), (ALICE, None, RECORD_1), (ALICE, READ, None))),  # 2.4.1
    *(asked({name: ALICE[name]}, READ, RECORD_1) for name in ALICE),  # 2.4.2
    asked(ALICE, {}, RECORD_1),
    *(asked(ALICE, READ, {name: RECORD_1[name]}) for name in RECORD_1),
    asked("alice", READ, RECORD_1),  # 2.4.6
    asked(ALICE, {"name": 123}, RECORD_1),
    asked({**ALICE, "properties": "admin"}, READ, RECORD_1),
    asked(ALICE, READ, RECORD_1, context="now"),
]


async def test_basic_errors(pep: Fga) -> None:
    for body in MALFORMED:
        assert (await pep.call("POST", "/access/v1/evaluation", body))[0] == 400, body
    for content, kind in (
        (b'{"subject":', "application/json"),
        (b"", "application/json"),
        (b'{"subject":{"type":"user","id":"alice"},"action":{"name":"read"},"resource":{"type":"record","id":"record-1"}}',
         "text/plain"),
    ):  # fmt: skip
        for path in ("evaluation", "evaluations", "search/subject"):  # 2.4.3 to 2.4.5
            answer = await pep.http.post(f"/access/v1/{path}", content=content, headers={"content-type": kind})
            assert answer.status_code == 400


async def test_request_ids(pep: Fga) -> None:
    for path in ("evaluation", "evaluations"):  # 2.5
        for headers in ({"x-request-id": "r-1"}, {}):
            answer = await pep.http.post(f"/access/v1/{path}", json=DECISIONS[0][0], headers=headers)
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers.get("x-request-id") == headers.get("x-request-id")


BATCHES: list[tuple[Mapping[str, Any], list[bool]]] = [
    (asked(ALICE, READ, None, evaluations=[{"resource": RECORD_1}, {"resource": RECORD_2}]), [True, True]),  # 3.2.1
    (asked(BOB, None, RECORD_1, evaluations=[{"action": READ}, {"action": WRITE}]), [True, False]),  # 3.2.2
    (asked(ALICE, WRITE, None, evaluations=[{"resource": ACTIVE}, {"resource": ARCHIVED}]), [True, False]),  # 3.2.3
    (asked(None, WRITE, ARCHIVED, evaluations=[{"subject": ALICE}, {"subject": ADMIN}]), [False, True]),  # 3.2.4
    ({"evaluations": [asked(ALICE, READ, RECORD_1), asked(BOB, WRITE, RECORD_1)]}, [True, False]),  # 3.2.5
    (
        asked(ALICE, READ, None, context=CONTEXT, evaluations=[
            {"resource": RECORD_1}, {"resource": RECORD_2, "context": {"source": "batch-override"}},
        ]), [True, True],
    ),  # 3.2.6
    (asked(ALICE, WRITE, ACTIVE, evaluations=[{}, {"resource": ARCHIVED}]), [True, False]),  # 3.2.7
    (
        asked(ALICE, READ, None, options={"evaluations_semantic": "execute_all"}, evaluations=[{"resource": RECORD_1}, {}]),
        [True, False],
    ),  # 3.4.1
]  # fmt: skip


async def test_batch(pep: Fga) -> None:
    for body, decisions in BATCHES:
        status, said = await pep.call("POST", "/access/v1/evaluations", body)
        assert (status, [one["decision"] for one in said["evaluations"]]) == (200, decisions), body
        assert "decision" not in said
    for more in ({}, {"evaluations": []}):  # 3.4.2, 3.4.3
        body = asked(ALICE, READ, RECORD_1, **more)
        assert await pep.call("POST", "/access/v1/evaluations", body) == (200, {"decision": True})


async def found(pep: Fga, target: str, body: Any) -> list[str]:
    status, said = await pep.call("POST", f"/access/v1/search/{target}", body)
    assert status == 200, said
    assert said["page"]["next_token"] == ""
    if target != "action":
        assert all(set(one) == {"type", "id"} and one["type"] == body[target]["type"] for one in said["results"])
    return [one["name" if target == "action" else "id"] for one in said["results"]]


USER, RECORD = {"type": "user"}, {"type": "record"}
SEARCHES = [
    ("subject", asked(USER, READ, RECORD_1), {"alice", "bob"}),  # 4.2.1
    ("subject", asked(USER, READ, RECORD_1, context=CONTEXT), {"alice", "bob"}),  # 4.2.2
    ("subject", asked(ALICE, READ, RECORD_1), {"alice", "bob"}),  # 4.2.3
    ("subject", asked(USER, WRITE, ARCHIVED), {"bob"}),  # 4.2.4
    ("resource", asked(ALICE, READ, RECORD), {"record-1", "record-2"}),  # 4.3.1
    ("resource", asked(ALICE, READ, RECORD, context=CONTEXT), {"record-1", "record-2"}),  # 4.3.2
    ("resource", asked(ALICE, READ, RECORD_1), {"record-1", "record-2"}),  # 4.3.3
    ("resource", asked(ADMIN, WRITE, RECORD), {"record-2"}),  # 4.3.4
    ("action", asked(ALICE, None, RECORD_1), {"read", "write"}),  # 4.4.1
    ("action", asked(ALICE, None, RECORD_1, context=CONTEXT), {"read", "write"}),  # 4.4.2
    ("action", asked(ADMIN, None, ARCHIVED), {"read", "write"}),  # 4.4.3
    ("action", asked({"type": "user", "id": "nonexistent-user"}, None, RECORD_1), set[str]()),  # 4.6.1
    ("subject", asked({"type": "spaceship"}, READ, RECORD_1), set[str]()),  # 4.6.2
    ("resource", asked(ALICE, READ, {"type": "spaceship"}), set[str]()),
    ("resource", asked({"type": "user", "id": "nonexistent-user"}, READ, RECORD), set[str]()),
    ("action", asked(ALICE, None, {"type": "spaceship", "id": "1"}), set[str]()),
]


async def test_search(pep: Fga) -> None:
    for target, body, expected in SEARCHES:
        assert set(await found(pep, target, body)) == expected, (target, body)


async def test_search_errors(pep: Fga) -> None:
    for target, body in (
        ("subject", asked(USER, None, RECORD_1)), ("resource", asked(None, READ, RECORD)), ("action", asked(ALICE, None, None)),
        ("subject", asked(USER, READ, RECORD)), ("resource", asked(USER, READ, RECORD)), ("action", asked(USER, None, RECORD_1)),
    ):  # fmt: skip  # 4.7
        assert (await pep.call("POST", f"/access/v1/search/{target}", body))[0] == 400, (target, body)


async def test_pages(pep: Fga) -> None:
    body = asked(USER, READ, RECORD_1, page={"limit": 1})  # 4.5
    status, first = await pep.call("POST", "/access/v1/search/subject", body)
    assert (status, first["results"], first["page"]["count"]) == (200, [ALICE], 1)
    body["page"] = {"token": first["page"]["next_token"]}
    status, second = await pep.call("POST", "/access/v1/search/subject", body)
    assert (status, second["results"], second["page"]["next_token"]) == (200, [BOB], "")


async def test_discovery(at: House) -> None:
    answer = await at.http.get("/.well-known/authzen-configuration")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    said, base = answer.json(), at.issuer.rstrip("/")
    assert said == {
        "policy_decision_point": base,
        "access_evaluation_endpoint": f"{base}/access/v1/evaluation",
        "access_evaluations_endpoint": f"{base}/access/v1/evaluations",
        **{f"search_{name}_endpoint": f"{base}/access/v1/search/{name}" for name in ("subject", "resource", "action")},
    }
