"""May this user do this with that? Over HTTP: by AuthZEN, as the SDK asks, and as OpenFGA's clients ask."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from tests.fixtures.house import BROKER, SECRET, START, House
from tests.fixtures.openfga import SCOPES
from tests.fixtures.relations import put_store
from tests.rules.relations.test_check import DRIVE

from remit_server.records import Api, Client, Grant
from remit_server.rules.relations.model import parse
from remit_server.runtime.ids import new_id
from remit_server.runtime.ports import Act, Permit

STORE = "01JACCESS00000000000000001"
MODEL = "01JACCESS00000000000000002"
ACCESS = "http://127.0.0.1:8080/access/"


async def furnished(house: House) -> House:
    """With documents, services that may ask about anybody, and Ada's agreement with the agent."""
    store, secret = house.store, house.machines.peppers.client_secret(SECRET)
    kept: dict[str, Any] = {"secrets": (secret,), "grants": ("client_credentials",), "created_at": START}
    asks, writes = {ACCESS: ()}, {ACCESS: ("relations:write",)}
    await store.commit(
        store.apis.put(Api(identifier=ACCESS, name="Access", scopes=SCOPES)),
        store.clients.put(Client(id="search", name="Search", kind="service", apis=asks, **kept)),
        store.clients.put(Client(id="writer", name="Writer", kind="service", apis=writes, **kept)),
        store.clients.put(Client(id="keeper", name="Keeper", kind="service", apis={ACCESS: tuple(SCOPES)}, **kept)),
        store.clients.put(Client(id="agent-too", name="Other", kind="agent", apis=writes, **kept)),
        store.clients.put(Client(id="walk-in", name="Walk-in", kind="service", apis=writes, dynamic=True, **kept)),
        store.grants.add(Grant(id="g1", client_id="agent", user_id="auth0|ada", created_at=START)),
    )
    given = ("document:1 viewer user:auth0|ada", "document:2 viewer user:auth0|bob")
    await put_store(store, STORE, parse(DRIVE), *given, model_id=MODEL, now=START)
    return house


@pytest.fixture
async def at(house: House) -> House:
    return await furnished(house)


@pytest.fixture
async def each(any_house: House) -> House:
    """On either database."""
    return await furnished(any_house)


def question(document: str = "1", user: str = "auth0|ada", action: str = "viewer") -> dict[str, Any]:
    return {
        "subject": {"type": "user", "id": user}, "action": {"name": action},
        "resource": {"type": "document", "id": document},
    }  # fmt: skip


def basic(client: str = "agent") -> dict[str, Any]:
    return {"auth": (client, SECRET)}


async def token(house: House, client: str) -> dict[str, Any]:
    form = {"grant_type": "client_credentials", "audience": ACCESS, **house.proof(client)}
    answer = await house.http.post("/oauth/token", data=form)
    assert answer.status_code == 200, answer.text
    return {"headers": {"authorization": f"Bearer {answer.json()['access_token']}"}}


async def ask(house: House, body: Any, as_: dict[str, Any], path: str = "evaluation") -> tuple[int, Any]:
    answer = await house.http.post(f"/access/v1/{path}", json=body, **as_)
    return answer.status_code, answer.json()


async def test_a_decision_is_an_answer(each: House) -> None:
    assert await ask(each, question("1"), basic()) == (200, {"decision": True})
    assert await ask(each, question("2"), basic()) == (200, {"decision": False})
    assert await ask(each, question("2", "auth0|bob"), await token(each, "search")) == (200, {"decision": True})


async def test_a_client_asks_about_those_who_agreed_to_it(each: House) -> None:
    status, body = await ask(each, question("2", "auth0|bob"), basic("agent"))
    assert (status, body["error"]) == (403, "forbidden")
    assert (await ask(each, question("1", "nobody"), basic("agent"))) == (status, body)
    assert (await ask(each, question("1"), basic("web")))[0] == 403
    await each.store.commit(each.store.grants.revoke("g1", START, "test"))
    assert (await ask(each, question("1"), basic("agent")))[0] == 403


async def test_an_id_that_no_database_keeps_is_nobodys(each: House) -> None:
    assert (await ask(each, question("1", "auth0|ada\0"), basic("agent")))[0] == 400
    asked = {**question("1\0", action="viewer\0"), "resource": {"type": "document\0", "id": "1"}}
    assert (await ask(each, asked, basic("agent"))) == (200, {"decision": False})


async def test_a_service_that_is_not_registered_for_it_asks_about_nobody(at: House) -> None:
    assert (await ask(at, question("1"), basic("service")))[0] == 403
    assert (await ask(at, question("1"), basic("search")))[0] == 200


async def test_a_persons_token_asks_about_that_person(at: House) -> None:
    mine = {"headers": {"authorization": "Bearer " + (await at.tokens_for("web", "ada"))["access_token"]}}
    assert await ask(at, question("1"), mine) == (200, {"decision": True})
    assert (await ask(at, question("2", "auth0|bob"), mine))[0] == 403
    group = {**question("1"), "subject": {"type": "group", "id": "all"}}
    assert (await ask(at, group, mine))[0] == 403


async def test_a_token_for_another_api_is_refused(at: House) -> None:
    tokens = await at.tokens_for("web", "ada", audience=BROKER, scope="openid trade:write")
    status, body = await ask(at, question("1"), {"headers": {"authorization": f"Bearer {tokens['access_token']}"}})
    assert (status, body["error"]) == (401, "invalid_token")


@pytest.mark.parametrize("client", ["public", "walk-in"])
async def test_whoever_just_says_a_name_or_walked_in_is_refused(at: House, client: str) -> None:
    assert (await ask(at, {**question("1"), **at.proof(client)}, {}))[0] == 403


async def minted(house: House, client: str, *, user: str | None = None, audience: str = ACCESS) -> dict[str, Any]:
    """With a token such as no grant gives to this client today."""
    holder = await house.store.clients.get(client)
    person = await house.store.users.get(user) if user else None
    assert holder
    act = Act(kind="token", client=holder, user=person, audiences=(audience,), scopes=("relations:write",))
    issued = await house.machines.mint.access_token(Permit(act=act))
    await house.store.commit(house.store.tokens.add(issued.token))
    return {"headers": {"authorization": f"Bearer {issued.value}"}}


async def test_who_asks_about_anybody_does_so_for_itself_and_with_a_token_for_that(at: House) -> None:
    bob = question("2", "auth0|bob")
    assert await ask(at, bob, await minted(at, "search")) == (200, {"decision": True})
    assert (await ask(at, bob, await minted(at, "search", audience=at.issuer + "me/")))[0] == 403
    for_ada = await minted(at, "search", user="auth0|ada")
    assert (await ask(at, bob, for_ada))[0] == 403
    assert (await ask(at, bob, basic("agent-too")))[0] == 403, "an agent, whatever it is registered for"
    key_ = {"tuple_key": key("document:1 viewer user:auth0|ada")}
    assert (await fga(at, "check", key_, await minted(at, "search")))[0] == 200
    assert (await fga(at, "check", key_, for_ada))[0] == 403


async def test_an_agreement_is_no_proof(at: House) -> None:
    await at.store.commit(
        at.store.grants.add(Grant(id="g2", client_id="public", user_id="auth0|ada", created_at=START)),
        at.store.grants.add(Grant(id="g3", client_id="walk-in", user_id="auth0|ada", created_at=START)),
    )
    assert (await ask(at, {**question("1"), **at.proof("public")}, {}))[0] == 403
    assert (await ask(at, {**question("1"), **at.proof("walk-in")}, {}))[0] == 403
    assert (await ask(at, question("1"), await minted(at, "walk-in")))[0] == 403


async def test_a_persons_id_is_theirs_as_a_person_only(at: House) -> None:
    mine = {"headers": {"authorization": "Bearer " + (await at.tokens_for("web", "ada"))["access_token"]}}
    for as_ in (mine, basic("agent")):
        other = {**question("1"), "subject": {"type": "group", "id": "auth0|ada"}}
        assert (await ask(at, other, as_))[0] == 403


async def test_no_proof_no_answer(at: House) -> None:
    assert (await ask(at, question("1"), {}))[0] == 401
    assert (await ask(at, question("1"), {"auth": ("agent", "wrong")}))[0] == 401
    assert (await ask(at, question("1"), {"headers": {"authorization": "Bearer nothing"}}))[0] == 401


@pytest.mark.parametrize(
    "body",
    [[], {}, {"subject": "user:ada"}, {**question(), "subject": {"type": "user"}}, {**question(), "action": {}},
     {**question(), "resource": {"type": 1, "id": "1"}}, {**question(), "subject": {"type": "user", "id": ""}}],
)  # fmt: skip
async def test_malformed_is_400(at: House, body: Any) -> None:
    assert (await ask(at, body, await token(at, "search")))[0] == 400


@pytest.mark.parametrize(
    "change",
    [{"resource": {"type": "picture", "id": "1"}}, {"resource": {"type": "document", "id": "a b"}},
     {"resource": {"type": "document", "id": "1#viewer"}}, {"resource": {"type": "document", "id": "*"}},
     {"subject": {"type": "user", "id": "*"}}, {"subject": {"type": "group", "id": "a#member"}},
     {"subject": {"type": "robot", "id": "1"}}, {"action": {"name": "fly"}}, {"action": {"name": "a b"}},
     {"resource": {"type": "doc:ument", "id": "1"}}, {"resource": {"type": "document", "id": "x" * 300}}],
)  # fmt: skip
async def test_what_no_model_can_mean_is_a_no_with_a_reason(at: House, change: Any) -> None:
    status, body = await ask(at, {**question(), **change}, await token(at, "search"))
    assert (status, body["decision"]) == (200, False)
    assert body["context"]["reason_admin"]["en"]


async def test_unknown_members_are_ignored_and_the_request_id_comes_back(at: House) -> None:
    body = {**question(), "context": {"time": "now"}, "extra": 1}
    answer = await at.http.post("/access/v1/evaluation", json=body, headers={"x-request-id": "r-1"}, **basic())
    assert (answer.json(), answer.headers["x-request-id"]) == ({"decision": True}, "r-1")
    refused = await at.http.post("/access/v1/evaluation", json=body, headers={"x-request-id": "r-2"})
    assert (refused.status_code, refused.headers["x-request-id"]) == (401, "r-2")
    odd = await at.http.post("/access/v1/evaluation", json=body, headers={"x-request-id": "a b"}, **basic())
    assert "x-request-id" not in odd.headers
    twice = httpx2.Headers([("x-request-id", "r-3"), ("x-request-id", "r-4")])
    assert (
        "x-request-id" not in (await at.http.post("/access/v1/evaluation", json=body, headers=twice, **basic())).headers
    )


async def test_many_at_once(at: House) -> None:
    asked = [{"resource": {"type": "document", "id": id_}} for id_ in ("1", "2", "1")]
    whole: dict[str, Any] = {**question(), "evaluations": asked}
    yes, no = {"decision": True}, {"decision": False}

    async def under(semantic: str) -> Any:
        options = {"options": {"evaluations_semantic": semantic}}
        return (await ask(at, {**whole, **options}, basic(), "evaluations"))[1]["evaluations"]

    assert await under("execute_all") == [yes, no, yes]
    assert await under("deny_on_first_deny") == [yes, no]
    assert await under("permit_on_first_permit") == [yes]
    assert (await ask(at, question(), basic(), "evaluations")) == (200, yes)
    assert (await ask(at, {**whole, "options": {"evaluations_semantic": "best"}}, basic(), "evaluations"))[0] == 400
    assert (await ask(at, {**whole, "evaluations": asked * 40}, basic(), "evaluations"))[0] == 400
    others = [{"subject": {"type": "user", "id": "auth0|bob"}}, {"action": 1}, {}]
    body = (await ask(at, {**question(), "evaluations": others}, basic(), "evaluations"))[1]["evaluations"]
    assert [(each["decision"], each.get("context", {}).get("error", {}).get("status")) for each in body] == [
        (False, 403), (False, 400), (True, None)
    ]  # fmt: skip


async def test_where_decisions_are_made(at: House) -> None:
    body = (await at.http.get("/.well-known/authzen-configuration")).json()
    assert body["access_evaluation_endpoint"] == at.issuer + "access/v1/evaluation"
    assert body["policy_decision_point"] == at.issuer.rstrip("/")


async def test_an_agent_asks_about_itself(at: House) -> None:
    """And with a person's token about itself, acting for that person."""
    await at.store.commit(at.store.grants.add(Grant(id="g2", client_id="web", user_id="auth0|ada", created_at=START)))
    await put_store(
        at.store, new_id(), parse(NOTES), "note:1 owner user:auth0|ada", "note:2 reader agent:web", name="notes"
    )

    def about(agent: str, note: str) -> dict[str, Any]:
        resource = {"type": "note", "id": note}
        return {"subject": {"type": "agent", "id": agent}, "action": {"name": "reader"}, "resource": resource}

    mine = {"headers": {"authorization": "Bearer " + (await at.tokens_for("web", "ada"))["access_token"]}}
    yes, no = (200, {"decision": True}), (200, {"decision": False})
    assert [await ask(at, about("web", note), mine) for note in ("1", "2")] == [yes, yes]
    assert [await ask(at, about("web", note), basic("web")) for note in ("1", "2")] == [no, yes]
    for as_, notes in ((mine, ["1", "2"]), (basic("web"), ["2"])):
        found = (await ask(at, about("web", "ignored"), as_, "search/resource"))[1]["results"]
        assert [one["id"] for one in found] == notes, "a search finds what a question permits"
    assert (await ask(at, about("agent", "1"), mine))[0] == 403
    assert (await ask(at, about("agent", "1"), basic("web")))[0] == 403


NOTES = """model
  schema 1.1
type user
  relations
    define acting_agent: [agent]
type agent
type note
  relations
    define owner: [user]
    define reader: [user, agent] or owner or acting_agent from owner
"""


async def test_asked_together_read_together(at: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred documents of one person take as many reads from the database as two."""
    engine, reads = at.store.engine, 0

    def counting(read: Any) -> Any:
        async def counted(*of: Any) -> Any:
            nonlocal reads
            reads += 1
            return await read(*of)

        return counted

    for name in ("one", "few", "each", "many"):
        monkeypatch.setattr(engine, name, counting(getattr(engine, name)))

    async def cost(first: int, count: int) -> int:
        before = reads
        asked = [{"resource": {"type": "document", "id": str(first + i)}} for i in range(count)]
        status, body = await ask(at, {**question(), "evaluations": asked}, basic(), "evaluations")
        assert (status, len(body["evaluations"])) == (200, count)
        return reads - before

    few = await cost(1000, 2)
    assert await cost(2000, 100) <= few


# what speaks OpenFGA


def key(text: str) -> dict[str, str]:
    object_, relation, user = text.split()
    return {"user": user, "relation": relation, "object": object_}


async def fga(house: House, verb: str, body: Any, as_: dict[str, Any], store: str = STORE) -> tuple[int, Any]:
    answer = await house.http.post(f"/stores/{store}/{verb}", json=body, **as_)
    return answer.status_code, answer.json()


async def test_who_may_use_the_stores(at: House) -> None:
    body = {"tuple_key": key("document:1 viewer user:auth0|ada")}
    write = {"writes": {"tuple_keys": [key("document:5 viewer user:eve")]}}
    assert (await fga(at, "check", body, await token(at, "search")))[0] == 200
    status, answer = await fga(at, "write", write, await token(at, "search"))
    assert (status, answer["code"]) == (403, "forbidden")
    for client in ("agent-too", "walk-in"):
        assert (await fga(at, "check", body, await token(at, client)))[0] == 403
    mine = {"headers": {"authorization": "Bearer " + (await at.tokens_for("web", "ada"))["access_token"]}}
    status, answer = await fga(at, "check", body, mine)
    assert (status, answer["code"]) == (401, "auth_failed_invalid_bearer_token")
    assert (await fga(at, "check", body, basic("search")))[0] == 401
    status, answer = await fga(at, "check", body, await token(at, "search"), store=new_id())
    assert (status, answer["code"]) == (404, "store_id_not_found")
