"""What an agent did not get, the trail knows, and the agent does not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.fixtures.house import SECRET, START, House
from tests.fixtures.relations import put_store
from tests.ledger import proves

from remit_server.access import withheld
from remit_server.records import Event, Grant
from remit_server.rules.relations.model import parse

pytestmark = proves("retrieval.withheld")

MODEL = """model
  schema 1.1
type user
type document
  relations
    define viewer: [user, user with early]
condition early(hour: int) {
  hour < 12
}
"""


@pytest.fixture
async def at(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(withheld, "TOGETHER", 0.05)
    await house.store.commit(
        house.store.grants.add(Grant(id="g1", client_id="agent", user_id="auth0|ada", created_at=START))
    )
    seen = [f"document:{n} viewer user:auth0|ada" for n in range(10)]
    seen.append("document:early viewer user:auth0|ada early")
    await put_store(house.store, "01JW1THHE1D0000000000STRE", parse(MODEL), *seen, now=START)
    return house


async def ask(house: House, numbers: range, user: str = "auth0|ada") -> Any:
    body = {
        "subject": {"type": "user", "id": user}, "action": {"name": "viewer"},
        "evaluations": [{"resource": {"type": "document", "id": str(n)}} for n in numbers],
    }  # fmt: skip
    answer = await house.http.post("/access/v1/evaluations", json=body, auth=("agent", SECRET))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def told(house: House) -> list[Event]:
    await asyncio.sleep(0.2)
    return await house.events("access.denied")


async def test_what_is_withheld_is_counted_for_the_trail_alone(at: House) -> None:
    answer = await ask(at, range(40))
    await ask(at, range(5, 15))
    assert sum(each["decision"] for each in answer["evaluations"]) == 10
    assert all(set(each) == {"decision"} for each in answer["evaluations"]), "no reason, and no count"
    (event,) = await told(at)
    assert event.about == {
        "about_whom": "user:auth0|ada", "relation": "viewer", "type": "document", "asked": 50, "withheld": 35,
    }  # fmt: skip
    assert event.actor.client == "agent"
    assert event.actor.user is None, "it stands in no person's own timeline"
    assert event.subject is None


async def test_what_is_permitted_leaves_no_trace(at: House) -> None:
    await ask(at, range(10))
    assert await told(at) == []


async def test_what_nobody_may_ask_is_not_counted(at: House) -> None:
    await ask(at, range(10), user="auth0|bob")
    assert await told(at) == []


async def test_more_kinds_of_questions_than_are_kept_are_written_at_once(
    at: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(withheld, "MOST", 0)
    monkeypatch.setattr(withheld, "TOGETHER", 3600)
    await ask(at, range(10, 12))
    assert [event.about["withheld"] for event in await told(at)] == [2]


async def evaluated(house: House, document: str, action: str = "viewer") -> Any:
    question = {
        "subject": {"type": "user", "id": "auth0|ada"}, "action": {"name": action},
        "resource": {"type": "document", "id": document},
    }  # fmt: skip

    async def said(path: str, body: Any) -> Any:
        answer = await house.http.post(f"/access/v1/{path}", json=body, auth=("agent", SECRET))
        assert answer.status_code == 200, answer.text
        return answer.json()

    (many,) = (await said("evaluations", {"evaluations": [question]}))["evaluations"]
    assert many == await said("evaluation", question) == await said("evaluations", question)
    return many


@proves("retrieval.unheard-why")
async def test_an_agent_does_not_hear_why(at: House) -> None:
    """That a condition lacks its hour would tell that there is a document, and a tuple about this person."""
    assert await evaluated(at, "early") == await evaluated(at, "nothing") == {"decision": False}
    assert await evaluated(at, "early", "fly") == {"decision": False}
    asked = {
        "subject": {"type": "user", "id": "auth0|ada"},
        "action": {"name": "viewer"},
        "resource": {"type": "document"},
    }
    answer = await at.http.post("/access/v1/search/resource", json=asked, auth=("agent", SECRET))
    assert answer.json()["context"] == {"partial": True}, "never silently short"
    event = next(event for event in await told(at) if "why" in event.about)
    assert event.about == {
        "about_whom": "user:auth0|ada", "why": "The model defines no 'fly' for 'document'.", "asked": 6, "withheld": 6,
    }  # fmt: skip


async def test_words_of_questions_without_an_answer_stay_out_of_the_trail(at: House) -> None:
    """They may be anything, as many as somebody likes, and the trail is kept for ever."""
    for n in range(5):
        await evaluated(at, "1", f"word{n}")
        await evaluated(at, "x" * 1000 * n or "1 2")
    (event,) = await told(at)
    assert (event.about["asked"], event.about["withheld"]) == (30, 30)
    assert "relation" not in event.about
    assert len(event.about["why"]) <= 200
