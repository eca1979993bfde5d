"""The company's policies and the relations at the one door, through the token endpoint and by the judges themselves."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from tests.fixtures.asking import ask
from tests.fixtures.house import BROKER, House
from tests.rules.test_policy import BOB, documented, order

from remit_server.oversight.policy import PolicyJudge
from remit_server.records import Policy
from remit_server.runtime.ports import Act, Decision, Deny, Permit, RequireApproval


async def client_credentials(house: House) -> tuple[int, Any]:
    form = {"grant_type": "client_credentials", "audience": BROKER, **house.proof("service")}
    answer = await house.http.post("/oauth/token", data=form)
    return answer.status_code, answer.json()


def named(text: str, name: str = "test.cedar") -> Policy:
    return Policy(name=name, text=text)


async def test_policies_come_and_go_while_the_server_runs(any_house: House) -> None:
    policies = any_house.store.policies
    assert (await client_credentials(any_house))[0] == 200
    forbid = '@id("no-reports") @reason("Reports are off.") forbid(principal == Agent::"service", action, resource);'
    await any_house.store.commit(policies.put(named("permit(principal, action, resource);" + forbid)))
    status, body = await client_credentials(any_house)
    assert (status, body["error"], body["error_description"]) == (400, "access_denied", "Reports are off.")
    (event,) = await any_house.events("policy.denied")
    assert (event.actor.client, event.about["policies"]) == ("service", ["no-reports"])
    await any_house.store.commit(policies.put(named("permit(principal, action, resource);")))
    assert (await client_credentials(any_house))[0] == 200
    await any_house.store.commit(policies.remove("test.cedar"))
    assert (await client_credentials(any_house))[0] == 200


async def test_nobody_is_asked_for_what_is_refused_anyway(house: House) -> None:
    forbid = '@id("no-trades") @reason("No trades today.") forbid(principal, action, resource);'
    await house.store.commit(house.store.policies.put(named("permit(principal, action, resource);" + forbid)))
    answer = await ask(house)
    body = answer.json()
    assert (answer.status_code, body["error"]) == (403, "access_denied"), "CIBA Core 1.0 section 13"
    assert body["error_description"] == "No trades today."
    assert await house.events("approval.asked") == []


@pytest.mark.parametrize(
    "text", ["permit(principal, action, resource", '@ttl("x") permit(principal, action, resource);']
)
async def test_policies_that_cannot_be_read_refuse_everything(house: House, text: str) -> None:
    await house.store.commit(house.store.policies.put(named(text)))
    assert (await client_credentials(house))[0] == 400


async def judged(house: House, **more: Any) -> Decision:
    client, user = await house.store.clients.get("agent"), await house.store.users.get("auth0|ada")
    assert client
    act = Act(**{"kind": "ask", "client": client, "user": user, "audiences": (BROKER,), **more})
    return await PolicyJudge(house.store, house.clock)(act)


async def test_the_door_asks_the_documented_policies(house: House) -> None:
    assert await judged(house) == Permit(act=(await judged(house)).act, why=("no policy",))  # type: ignore[union-attr]
    await house.store.commit(house.store.policies.put(named(documented())))
    house.clock.forward(86400)  # Monday
    assert isinstance(await judged(house, details=(order(100),)), Permit)
    needed = await judged(house, details=(order(800),))
    assert needed == RequireApproval(
        approvers=("group:trading-supervisors",), ttl=300, why=("org-ordinary-acts", "org-trade-needs-approval")
    )
    assert isinstance(await judged(house, details=(order(800),), approved_by=(BOB.id,)), Permit)
    assert isinstance(await judged(house, details=(order(800),), approved_by=("auth0|ada",)), RequireApproval)
    assert isinstance(await judged(house, details=(order(800),), approved_by=("nobody",)), RequireApproval)
    assert isinstance(await judged(house, details=(order(800, note=0.5),), approved_by=(BOB.id,)), Deny)


async def test_nobody_named_means_the_person_themselves(house: House) -> None:
    text = '@require("approval") forbid(principal, action, resource) unless { context has approval };'
    await house.store.commit(house.store.policies.put(named("permit(principal, action, resource);" + text)))
    needed = await judged(house)
    assert isinstance(needed, RequireApproval)
    assert needed.approvers == ("user:auth0|ada",)
    assert isinstance(await judged(house, user=None), Deny)


def test_a_server_without_policies_does_not_load_cedar() -> None:
    code = "import sys, remit_server.app, remit_server.rules.policy; sys.exit('cedarpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
