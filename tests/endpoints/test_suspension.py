"""A suspended agent can do nothing, at once and everywhere: with what it holds, and with what it might yet ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import httpx2
from tests.fixtures.asking import CIBA, DEVICE, answer, ask, asked, own_app, poll, waiting
from tests.fixtures.house import BROKER, Code, House, request_of
from tests.fixtures.nodes import Nodes
from tests.ledger import proves

from remit_server.oversight.agents import resume, suspend

Send = Callable[[httpx2.AsyncClient], Awaitable[httpx2.Response]]


class Held(NamedTuple):
    """What the agent has in its hands when it is stopped."""

    tokens: dict[str, Any]
    me: dict[str, str]
    code: Code
    auth_req_id: str
    device_code: str


async def equip(house: House) -> Held:
    tokens = await house.tokens_for("agent", audience=BROKER, scope="openid offline_access trade:write")
    code = await house.code_for("agent", audience=BROKER)
    request, app = await asked(house), await own_app(house)
    (approval,) = await waiting(house, app)
    await answer(house, app, approval)
    device = await house.http.post("/oauth/device/code", data={"scope": "openid", **house.proof("agent")})
    me = await own_app(house, client="agent")
    return Held(tokens, me, code, request["auth_req_id"], device.json()["device_code"])


def attempts(house: House, held: Held) -> dict[str, tuple[Send, int, str]]:
    """Everything that it may try: how, and the status and error that it meets."""
    proof = house.proof("agent")

    def form(path: str, **params: str) -> Send:
        return lambda http: http.post(path, data={**params, **proof})

    bearer = {"Authorization": f"Bearer {held.tokens['access_token']}"}
    code = {"code": held.code.value, "redirect_uri": held.code.redirect_uri, "code_verifier": held.code.verifier}
    client = (401, "invalid_client")
    return {
        "a token of its own": (form("/oauth/token", grant_type="client_credentials", audience=BROKER), *client),
        "its refresh token": (
            form("/oauth/token", grant_type="refresh_token", refresh_token=held.tokens["refresh_token"]), *client,
        ),
        "its code": (form("/oauth/token", grant_type="authorization_code", **code), *client),
        "what was approved": (form("/oauth/token", grant_type=CIBA, auth_req_id=held.auth_req_id), *client),
        "its device code": (form("/oauth/token", grant_type=DEVICE, device_code=held.device_code), *client),
        "another question": (form("/bc-authorize", scope="openid", login_hint="ada@example.com"), *client),
        "another device": (form("/oauth/device/code", scope="openid"), *client),
        "a pushed request": (form("/oauth/par", **request_of("agent")), *client),
        "introspection": (form("/oauth/introspect", token=held.tokens["access_token"]), *client),
        "revocation": (form("/oauth/revoke", token=held.tokens["access_token"]), *client),
        "userinfo": (lambda http: http.get("/userinfo", headers=bearer), 401, "invalid_token"),
        "the person's account": (lambda http: http.get("/me/v1/approvals", headers=held.me), 401, "invalid_token"),
    }  # fmt: skip


async def works(http: httpx2.AsyncClient, house: House, held: Held) -> None:
    """Before, the same things work: what is refused later is refused for the suspension alone."""
    for name in ("a token of its own", "introspection", "userinfo", "the person's account", "a pushed request"):
        send, *_ = attempts(house, held)[name]
        assert (await send(http)).status_code in {200, 201}, name


async def refused(http: httpx2.AsyncClient, house: House, held: Held) -> None:
    for name, (send, status, error) in attempts(house, held).items():
        got = await send(http)
        assert (got.status_code, got.json()["error"]) == (status, error), name
    seen = await http.post(
        "/oauth/introspect", data={"token": held.tokens["access_token"], **house.proof("broker-api")}
    )
    assert seen.json() == {"active": False}, "the API that it calls hears of it"


@proves("agent.suspended")
async def test_a_suspended_agent_is_refused_everywhere(any_house: House) -> None:
    house = any_house
    held = await equip(house)
    await works(house.http, house, held)
    await suspend(house.store, house.clock, "agent", reason="it bought too much")
    await refused(house.http, house, held)


@proves("agent.suspended")
async def test_no_person_is_sent_to_it(house: House) -> None:
    browser = await house.sign_in()
    await suspend(house.store, house.clock, "agent")
    await house.authorize(browser, "agent", audience=BROKER)
    assert "code" not in (browser.left_for or "")


@proves("agent.suspended")
async def test_what_it_asked_is_closed_and_stays_closed(any_house: House) -> None:
    """Approved or not: when it may work again, nothing that was asked before is there to be fetched."""
    house = any_house
    app = await own_app(house)
    approved = await asked(house)
    (approval,) = await waiting(house, app)
    await answer(house, app, approval)
    pending = await asked(house)
    await suspend(house.store, house.clock, "agent")
    assert await waiting(house, app) == []
    await resume(house.store, house.clock, "agent")
    for request in (approved, pending):
        assert (await poll(house, request["auth_req_id"])).json()["error"] == "access_denied"


@proves("agent.suspended")
async def test_it_may_work_again(house: House) -> None:
    held = await equip(house)
    await suspend(house.store, house.clock, "agent")
    await resume(house.store, house.clock, "agent")
    await works(house.http, house, held)
    assert (await ask(house)).status_code == 200
    kinds = [event.kind for event in await house.events() if event.subject == "agent"]
    assert kinds[:2] == ["client.resumed", "client.suspended"]


async def test_others_go_on(house: House) -> None:
    tokens = await house.tokens_for("web")
    await suspend(house.store, house.clock, "agent")
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await house.http.get("/userinfo", headers=headers)).status_code == 200


@proves("agent.suspended")
async def test_every_node_refuses_at_once(nodes: Nodes) -> None:
    """Suspended by a third process. The nodes had the client in memory, and hear of it before a person could blink."""
    house = nodes.house
    held = await equip(house)
    for http in nodes.http:
        await works(http, house, held)
    await suspend(house.store, house.clock, "agent")
    await asyncio.sleep(0.1)
    for http in nodes.http:
        await refused(http, house, held)
