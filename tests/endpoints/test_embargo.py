"""An embargo ends when it ends: conditions hear the time from the server, and from nobody else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.fixtures.house import SECRET, START, House
from tests.fixtures.relations import put_store
from tests.ledger import proves

from remit_server.records import Grant
from remit_server.rules.relations.model import parse

pytestmark = proves("relations.time")

MODEL = """model
  schema 1.1
type user
type document
  relations
    define viewer: [user:* with released]
condition released(current_time: timestamp, release: timestamp) {
  current_time >= release
}
"""
ASKED: dict[str, Any] = {
    "subject": {"type": "user", "id": "auth0|ada"}, "action": {"name": "viewer"},
    "resource": {"type": "document", "id": "results"},
}  # fmt: skip
LATER = {"context": {"current_time": "2099-01-01T00:00:00Z"}}


@pytest.fixture
async def at(house: House) -> House:
    release = datetime.fromtimestamp(START + 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    await house.store.commit(
        house.store.grants.add(Grant(id="g1", client_id="agent", user_id="auth0|ada", created_at=START))
    )
    tuple_ = f'document:results viewer user:* released {{"release":"{release}"}}'
    await put_store(house.store, "01JEMBARGO00000000000STORE", parse(MODEL), tuple_, now=START)
    return house


async def ask(house: House, path: str, body: dict[str, Any]) -> Any:
    answer = await house.http.post(f"/access/v1/{path}", json=body, auth=("agent", SECRET))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_embargo_ends_by_the_servers_clock(at: House) -> None:
    assert await ask(at, "evaluation", ASKED) == {"decision": False}
    at.clock.forward(3599)
    assert await ask(at, "evaluation", ASKED) == {"decision": False}
    at.clock.forward(1)
    assert await ask(at, "evaluation", ASKED) == {"decision": True}
    assert (await ask(at, "search/resource", ASKED))["results"] == [{"type": "document", "id": "results"}]


@pytest.mark.parametrize("said", [LATER, {"subject": {**ASKED["subject"], "properties": LATER["context"]}}])
async def test_an_agent_does_not_say_what_time_it_is(at: House, said: dict[str, Any]) -> None:
    asked = {**ASKED, **said}
    assert await ask(at, "evaluation", asked) == {"decision": False}
    assert await ask(at, "evaluations", {"evaluations": [asked]}) == {"evaluations": [{"decision": False}]}
    assert await ask(at, "evaluations", {**asked, "evaluations": [{}]}) == {"evaluations": [{"decision": False}]}
    assert (await ask(at, "search/resource", asked))["results"] == []
