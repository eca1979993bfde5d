"""What needs a relation: the person has it, and each agent in the chain; whoever answers for the relations."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace
from tests.fixtures.house import BROKER, START, House
from tests.fixtures.openfga_server import Furnish
from tests.ledger import proves

from remit_server.access.judge import RelationJudge
from remit_server.records import Organisation
from remit_server.records.organisation import Need
from remit_server.runtime.ports import Act, Deny, Permit

pytestmark = proves("access.needs")

MODEL = """model
  schema 1.1

type user
  relations
    define acting_agent: [agent]

type agent

type delegation
  relations
    define person: [user]
    define agent: [agent]
    define active: agent and acting_agent from person

type connection
  relations
    define can_use: [user, user:*, agent, agent:*, delegation#active]

type tool
  relations
    define can_call: [user, agent]

type account
  relations
    define owner: [user]
    define can_pay_from: owner or acting_agent from owner
"""
ADA, PLANNER = "user:auth0|ada", "agent:agent"
GOOGLE = Need(relation="can_use", object="connection:{connection}", connection="*")
TRADE = Need(relation="can_call", object="tool:trade", api=BROKER, scope="trade:write")
ANY_AT_BROKER = Need(relation="can_call", object="tool:broker", api=BROKER)
PAY = Need(relation="can_pay_from", object="account:{debtor.accounts}", details="payment")


async def judged(house: House, *needs: Need, **more: Any) -> Permit | Deny:
    await house.store.commit(house.store.organisation.put(Organisation(needs=needs)))
    client, user = await house.store.clients.get("agent"), await house.store.users.get("auth0|ada")
    assert client
    act = Act(**{"kind": "exchange", "client": client, "user": user, **more})
    decision = await RelationJudge(house.store, house.machines.relations, house.clock)(act)
    assert isinstance(decision, Permit | Deny)
    return decision


async def refused(house: House, *needs: Need, **more: Any) -> tuple[str, ...] | None:
    """Why, or None where it is permitted."""
    decision = await judged(house, *needs, **more)
    return decision.why if isinstance(decision, Deny) else None


async def test_the_person_and_the_agent(furnish: Furnish) -> None:
    at = await furnish(MODEL, f"connection:google can_use {ADA}", f"connection:google can_use {PLANNER}")
    permit = await judged(at, GOOGLE, connection="google")
    assert isinstance(permit, Permit)
    assert permit.why == (f"{ADA} can_use connection:google", f"{PLANNER} can_use connection:google")
    missing = f"{ADA} can_use connection:github"
    assert await refused(at, GOOGLE, connection="github") == ("access.relation", missing)
    (event,) = await at.events("access.needed")
    assert (event.actor.user, event.actor.client) == ("auth0|ada", "agent")
    assert event.about == {"act": "exchange", "missing": [missing]}


async def test_neither_without_the_other(furnish: Furnish) -> None:
    at = await furnish(MODEL, f"connection:google can_use {ADA}", f"connection:github can_use {PLANNER}")
    assert await refused(at, GOOGLE, connection="google") == ("access.relation", f"{PLANNER} can_use connection:google")
    assert await refused(at, GOOGLE, connection="github") == ("access.relation", f"{ADA} can_use connection:github")


async def test_everybody_in_the_chain(furnish: Furnish) -> None:
    chain = ({"sub": "agent"}, {"sub": "sub-agent"})
    at = await furnish(MODEL, "connection:a can_use user:*", f"connection:a can_use {PLANNER}", "connection:b can_use user:*",
                       "connection:b can_use agent:*")  # fmt: skip
    assert await refused(at, GOOGLE, connection="a", actors=chain) == (
        "access.relation",
        "agent:sub-agent can_use connection:a",
    )
    assert await refused(at, GOOGLE, connection="b", actors=chain) is None


async def test_this_agent_for_this_person(furnish: Furnish) -> None:
    at = await furnish(
        MODEL, "connection:google can_use user:*", "connection:google can_use delegation:1#active",
        f"delegation:1 person {ADA}", f"delegation:1 agent {PLANNER}",
    )  # fmt: skip
    bob = await at.store.users.get("auth0|bob")
    assert await refused(at, GOOGLE, connection="google") is None
    assert await refused(at, GOOGLE, connection="google", user=bob) == (
        "access.relation", f"{PLANNER} can_use connection:google"
    )  # fmt: skip


async def test_what_belongs_to_the_person(furnish: Furnish) -> None:
    at = await furnish(MODEL, f"account:1 owner {ADA}", f"account:2 owner {ADA}", "account:3 owner user:auth0|bob")
    bob = await at.store.users.get("auth0|bob")

    def paying(*accounts: Any) -> dict[str, Any]:
        return {"details": ({"type": "payment", "debtor": {"accounts": list(accounts)}},)}

    assert await refused(at, PAY, **paying("1", 2)) is None
    assert await refused(at, PAY, **paying("1", "3")) == ("access.relation", f"{ADA} can_pay_from account:3")
    assert await refused(at, PAY, **paying("1"), user=bob)
    other = {"type": "other", "debtor": {"accounts": ["3"]}}
    assert await refused(at, PAY, details=(other,)) is None
    assert await refused(at, PAY, details=(other, *paying("3")["details"]))


@pytest.mark.parametrize(
    "debtor",
    [None, {}, {"accounts": None}, {"accounts": []}, {"accounts": ["1", None]}, {"accounts": [True]}, {"accounts": [1.5]},
     {"accounts": ["1", ""]}, {"accounts": [{"id": "1"}]}, {"accounts": "*"}, {"accounts": "1#owner"}, {"accounts": "1 2"},
     {"accounts": "a:1"}, {"accounts": "1\0"}, "1", [], {"accounts": "x" * 300}],
)  # fmt: skip
async def test_a_detail_that_does_not_say_is_refused(furnish: Furnish, debtor: Any) -> None:
    at = await furnish(MODEL, f"account:1 owner {ADA}")
    assert await refused(at, PAY, details=({"type": "payment", "debtor": debtor},))
    assert await refused(at, PAY, details=({"type": "payment", "debtor": {"accounts": "1"}},)) is None


async def test_a_long_list_asks_for_the_model_once(furnish: Furnish, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = [str(n) for n in range(50)]
    at = await furnish(MODEL, *(f"account:{id_} owner {ADA}" for id_ in accounts))
    relations, asked = at.machines.relations, 0
    relations_of = relations.relations_of

    async def counted(type_: str, *, beside: str | None = None) -> tuple[str, ...]:
        nonlocal asked
        asked += 1
        return await relations_of(type_, beside=beside)

    monkeypatch.setattr(relations, "relations_of", counted)
    assert await refused(at, PAY, details=({"type": "payment", "debtor": {"accounts": accounts}},)) is None
    assert asked == 1


async def test_words_of_any_length_stay_out_of_the_trail_and_the_answer(furnish: Furnish) -> None:
    at = await furnish(MODEL, f"account:1 owner {ADA}")
    decision = await judged(at, PAY, details=({"type": "payment", "debtor": {"accounts": "x" * 50_000}},))
    assert isinstance(decision, Deny)
    (event,) = await at.events("access.needed")
    assert max(map(len, (decision.reason, str(decision.why), str(event.about)))) < 500


async def test_scopes_are_tools(furnish: Furnish) -> None:
    at = await furnish(MODEL, f"tool:trade can_call {ADA}", f"tool:trade can_call {PLANNER}")
    here = {"audiences": (BROKER,)}
    assert await refused(at, TRADE, **here, scopes=("trade:write",)) is None
    assert await refused(at, TRADE, **here, scopes=("trade:read",)) is None
    assert await refused(at, ANY_AT_BROKER, **here, scopes=("trade:read",))
    assert await refused(at, ANY_AT_BROKER, audiences=("https://other.example",)) is None
    assert await refused(at, TRADE, ANY_AT_BROKER, **here, scopes=("trade:write",)) == (
        "access.relation", f"{ADA} can_call tool:broker"
    )  # fmt: skip


async def test_nobody_is_not_everybody(furnish: Furnish) -> None:
    """An agent for itself is asked about alone; what is done for a person is not done without one."""
    at = await furnish(MODEL, f"tool:trade can_call {PLANNER}")
    whole: dict[str, Any] = {"audiences": (BROKER,), "scopes": ("trade:write",), "user": None}
    assert await refused(at, TRADE, **whole, kind="token") is None
    for kind in ("exchange", "proxy", "connect", "ask", "consent"):
        assert await refused(at, TRADE, **whole, kind=kind)


OPEN = """model
  schema 1.1
type user
  relations
    define friend: [user]
type agent
type tool
  relations
    define can_call: [user, user:*, agent, agent:*, user#friend]
"""


@pytest.mark.parametrize("id_", ["*", "auth0|ada#friend", "a:b"])
async def test_an_id_is_one_somebody(furnish: Furnish, id_: str) -> None:
    """Whatever an upstream provider calls its people: nobody is everybody, or a set of others."""
    at = await furnish(
        OPEN, "tool:broker can_call user:*", "tool:broker can_call agent:*", f"tool:broker can_call {ADA}#friend"
    )
    ada, client = await at.store.users.get("auth0|ada"), await at.store.clients.get("agent")
    assert ada
    assert client
    here = {"audiences": (BROKER,), "kind": "token"}
    assert await refused(at, ANY_AT_BROKER, **here) is None
    assert await refused(at, ANY_AT_BROKER, **here, user=replace(ada, id=id_))
    assert await refused(at, ANY_AT_BROKER, **here, actors=({"sub": id_},))


async def test_a_model_that_does_not_know_denies(furnish: Furnish) -> None:
    at = await furnish(MODEL, f"connection:google can_use {ADA}", f"connection:google can_use {PLANNER}")
    for relation, object_ in (("can_fly", "connection:google"), ("can_use", "planet:mars"), ("can_use", "google")):
        odd = Need(relation=relation, object=object_, connection="google")
        assert await refused(at, odd, connection="google")


async def test_what_is_declared_holds_at_once(furnish: Furnish) -> None:
    at = await furnish(MODEL)
    judge = RelationJudge(at.store, at.machines.relations, at.clock)
    client, user = await at.store.clients.get("agent"), await at.store.users.get("auth0|ada")
    assert client
    act = Act(kind="exchange", client=client, user=user, connection="google")
    assert isinstance(await judge(act), Permit)
    organisation = await at.store.organisation.get("organisation") or Organisation()
    await at.store.commit(at.store.organisation.put(replace(organisation, needs=(GOOGLE,))))
    assert isinstance(await judge(act), Deny)


OFFICE = """model
  schema 1.1
type user
type agent
type tool
  relations
    define can_call: [user, agent, user with until, agent with until]
condition until(current_time: timestamp, end: timestamp) {
  current_time < end
}
"""


@proves("relations.time")
@pytest.mark.parametrize("lent", [ADA, PLANNER])
async def test_conditions_are_told_the_time_by_the_server(furnish: Furnish, lent: str) -> None:
    """What is lent for an hour ends after an hour, of a person and of an agent."""
    end = datetime.fromtimestamp(START + 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for_good = {ADA: PLANNER, PLANNER: ADA}[lent]
    at = await furnish(
        OFFICE, f"tool:broker can_call {for_good}", f'tool:broker can_call {lent} until {{"end":"{end}"}}'
    )
    here = {"audiences": (BROKER,), "kind": "token"}
    assert await refused(at, ANY_AT_BROKER, **here) is None
    at.clock.forward(3599)
    assert await refused(at, ANY_AT_BROKER, **here) is None
    at.clock.forward(1)
    assert await refused(at, ANY_AT_BROKER, **here) == ("access.relation", f"{lent} can_call tool:broker")


# through the doors


async def test_a_token(furnish: Furnish) -> None:
    """By client credentials, and by what a person agreed to."""
    at = await furnish(MODEL, "tool:broker can_call agent:service")
    await at.store.commit(at.store.organisation.put(Organisation(needs=(ANY_AT_BROKER,))))

    async def status(client: str) -> int:
        form = {"grant_type": "client_credentials", "audience": BROKER, **at.proof(client)}
        return (await at.http.post("/oauth/token", data=form)).status_code

    assert await status("service") == 200
    await at.store.commit(at.store.organisation.put(Organisation(needs=(replace(ANY_AT_BROKER, object="tool:other"),))))
    answer = await at.http.post(
        "/oauth/token", data={"grant_type": "client_credentials", "audience": BROKER, **at.proof("service")}
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "access_denied")
    assert "can_call of tool:other is needed" in answer.json()["error_description"]
