"""AuthZEN's searches: who may search for what, and how pages go on."""

from __future__ import annotations

from typing import Any

import pytest
from tests.endpoints.test_evaluation import basic, furnished, token
from tests.fixtures.house import START, House
from tests.fixtures.relations import put_store
from tests.ledger import proves

from remit_server.records import Grant
from remit_server.rules.relations.model import parse
from remit_server.runtime.ids import new_id

ADA = {"type": "user", "id": "auth0|ada"}
DOCUMENT = {"type": "document", "id": "1"}
VIEWER = {"name": "viewer"}
QUESTIONS: dict[str, dict[str, Any]] = {
    "subject": {"subject": {"type": "user"}, "action": VIEWER, "resource": DOCUMENT},
    "resource": {"subject": ADA, "action": VIEWER, "resource": {"type": "document"}},
    "action": {"subject": ADA, "resource": DOCUMENT},
}


@pytest.fixture
async def at(house: House) -> House:
    return await furnished(house)


async def search(house: House, target: str, as_: dict[str, Any], **more: Any) -> tuple[int, Any]:
    body = {**QUESTIONS[target], **more}
    answer = await house.http.post(f"/access/v1/search/{target}", json=body, **as_)
    return answer.status_code, answer.json()


async def test_a_service_searches_for_anything(at: House) -> None:
    service = await token(at, "search")
    assert (await search(at, "subject", service))[1]["results"] == [ADA]
    assert (await search(at, "resource", service))[1]["results"] == [DOCUMENT]
    assert {"name": "viewer"} in (await search(at, "action", service))[1]["results"]


@proves("authzen.who-may-search")
async def test_who_may_search_for_what(at: House) -> None:
    await at.store.commit(at.store.grants.add(Grant(id="g2", client_id="web", user_id="auth0|ada", created_at=START)))
    mine = {"headers": {"authorization": "Bearer " + (await at.tokens_for("web", "ada"))["access_token"]}}
    for as_ in (mine, basic("agent")):
        assert (await search(at, "resource", as_))[1]["results"] == [DOCUMENT]
        assert (await search(at, "subject", as_))[0] == 403
        assert (await search(at, "action", as_))[0] == 403
        for other in ({"type": "user", "id": "auth0|bob"}, {"type": "group", "id": "all"}, {"type": "user", "id": "*"}):
            assert (await search(at, "resource", as_, subject=other))[0] == 403
    for target in QUESTIONS:
        assert (await search(at, target, {}))[0] == 401
        assert (await search(at, target, basic("public")))[0] in {401, 403}


async def test_everybody_is_told_apart(at: House) -> None:
    await put_store(at.store, new_id(), parse(OPEN), "picture:1 viewer user:*", "picture:1 viewer user:auth0|ada")
    service = await token(at, "search")
    status, said = await search(at, "subject", service, resource={"type": "picture", "id": "1"})
    assert (status, said["results"], said["context"]) == (200, [ADA], {"wildcard": True})
    status, said = await search(at, "resource", service, subject={"type": "user", "id": "*"})
    assert (status, said["results"]) == (200, [])
    assert said["context"]["reason_admin"]


OPEN = """model
  schema 1.1
type user
type picture
  relations
    define viewer: [user, user:*]
"""


@proves("authzen.pages")
async def test_pages(at: House) -> None:
    numbers = [f"{i:02}" for i in range(25)]
    await put_store(at.store, new_id(), parse(OPEN), *(f"picture:{i} viewer user:auth0|ada" for i in numbers))
    service, found, sent = await token(at, "search"), [], {"limit": 10}
    while True:
        status, said = await search(at, "resource", service, resource={"type": "picture"}, page=sent)
        assert (status, said["page"]["total"], said["page"]["count"]) == (200, 25, len(said["results"]))
        found += [one["id"] for one in said["results"]]
        if not (more := said["page"]["next_token"]):
            break
        sent = {"limit": 10, "token": more}
    assert found == numbers
    wrong: tuple[dict[str, Any], ...] = (
        {"resource": {"type": "document"}, "page": sent},
        {"resource": {"type": "picture"}, "page": {**sent, "limit": 11}},
        {"resource": {"type": "picture"}, "page": sent, "context": {"time": "now"}},
        {"resource": {"type": "picture"}, "page": {"token": "?"}},
        {"resource": {"type": "picture"}, "page": {"token": "AAAA"}},
        {"resource": {"type": "picture"}, "page": {"token": 1}},
        {"resource": {"type": "picture"}, "page": {"limit": -1}},
        {"resource": {"type": "picture"}, "page": {"limit": True}},
        {"resource": {"type": "picture"}, "page": ["limit"]},
    )
    for more_ in wrong:
        assert (await search(at, "resource", service, **more_))[0] == 400, more_
    bob = {"subject": {"type": "user", "id": "auth0|bob"}, "resource": {"type": "picture"}, "page": sent}
    assert (await search(at, "resource", service, **bob))[0] == 400
    status, said = await search(at, "resource", service, resource={"type": "picture"}, page={"limit": 0})
    assert (status, said["results"]) == (200, [])
    assert said["page"]["next_token"]


async def test_a_page_is_no_longer_than_pages_are(at: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remit_server.access.search.LARGEST_PAGE", 3)
    await put_store(at.store, new_id(), parse(OPEN), *(f"picture:{n} viewer user:auth0|ada" for n in range(5)))
    for page in ({"limit": 100}, {}):
        said = (await search(at, "resource", await token(at, "search"), resource={"type": "picture"}, page=page))[1]
        assert (len(said["results"]), bool(said["page"]["next_token"])) == (3, True)


async def test_the_request_id_comes_back(at: House) -> None:
    for as_, status in ((await token(at, "search"), 200), ({}, 401)):
        headers = {**as_.get("headers", {}), "x-request-id": "r-1"}
        answer = await at.http.post("/access/v1/search/resource", json=QUESTIONS["resource"], headers=headers)
        assert (answer.status_code, answer.headers["x-request-id"]) == (status, "r-1")
