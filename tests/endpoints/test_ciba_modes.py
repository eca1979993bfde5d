"""Ping and push: the client is told at a real listener, once the person has answered (CIBA Core 1.0 section 10)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace
from tests.fixtures.asking import ORDER, answer, ask, asked, own_app, poll, waiting
from tests.fixtures.house import BROKER, House, built
from tests.fixtures.listener import Listener, listener
from tests.ledger import proves

from remit_server.approvals.notify_client import CLAIMED, PAUSES, Teller
from remit_server.storage.contract import Lost

TOKEN = "8d67dc78-7faa-4d41-aabd-67707b374255"
LOOPBACK = "http://localhost:8000/"  # only such a server may call a listener on this machine


@dataclass
class Told:
    """A house whose agent is told at a listener; its teller runs when a test says so."""

    house: House
    heard: Listener
    teller: Teller

    async def mode(self, mode: Any, **more: Any) -> None:
        clients = self.house.store.clients
        agent = await clients.get("agent")
        assert agent is not None
        changed = replace(
            agent, backchannel_token_delivery_mode=mode, backchannel_client_notification_endpoint=self.heard.url, **more
        )
        await self.house.store.commit(clients.put(changed), wakes=(clients.wake("agent"),))

    async def ask(self, **params: Any) -> dict[str, Any]:
        return await asked(self.house, **{"client_notification_token": TOKEN, **params})

    async def answered(self, **said: Any) -> None:
        app = await own_app(self.house)
        (approval,) = await waiting(self.house, app)
        assert (await answer(self.house, app, approval, **said)).status_code == 200

    async def row(self) -> Any:
        ((approval_id, *_),) = [(event.subject,) for event in await self.house.events("approval.asked")]
        return await self.house.store.approvals.get(approval_id)


@pytest.fixture
async def told(database_url: str) -> AsyncIterator[Told]:
    async with built(database_url, issuer=LOOPBACK) as house, listener() as heard:
        yield Told(house, heard, Teller(house.machines))


def _claims(jwt: str) -> dict[str, Any]:
    part = jwt.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def _half(value: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(value.encode()).digest()[:16]).rstrip(b"=").decode()


@proves("approval.ping")
@pytest.mark.parametrize("said", ["approve", "deny"])
async def test_ping_then_fetch(told: Told, said: str) -> None:
    await told.mode("ping")
    request = await told.ask()
    assert request["interval"] == 5
    assert await told.teller.once() == 0, "nothing is decided yet"
    await told.answered(answer=said)
    assert await told.teller.once() == 1
    headers, body = await told.heard.message()
    assert headers["line"] == "POST /ciba HTTP/1.1"
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["content-type"] == "application/json"
    assert body == {"auth_req_id": request["auth_req_id"]}
    assert await told.teller.once() == 0, "told once"
    fetched = (await poll(told.house, request["auth_req_id"])).json()
    assert fetched.get("authorization_details") == ([ORDER] if said == "approve" else None)
    assert fetched.get("error") == (None if said == "approve" else "access_denied")
    assert [event.kind for event in await told.house.events("approval.client_told")] == ["approval.client_told"]


@pytest.mark.parametrize("refuses", [False, True])
async def test_an_answer_that_comes_while_the_client_is_told_of_a_question_is_told_too(
    told: Told, monkeypatch: pytest.MonkeyPatch, refuses: bool
) -> None:
    await told.mode("ping")
    await told.ask()
    app = await own_app(told.house)
    (approval,) = await waiting(told.house, app)
    asked_back = (await answer(told.house, app, approval, answer="ask", text="Why ten?")).json()

    async def sent(*_: Any) -> tuple[str | None, bool]:
        assert (await answer(told.house, app, asked_back, answer="deny")).status_code == 200
        return ("it answered 404", False) if refuses else (None, False)

    with monkeypatch.context() as slow:
        slow.setattr(told.teller, "_sent", sent)
        assert await told.teller.once() == 1
    assert await told.teller.once() == 1, "the answer is news of its own"
    await told.heard.message()
    assert (await told.row()).notify_tries == 1, "and has all its tries"
    assert await told.teller.once() == 0


async def test_a_ping_client_may_poll_as_well(told: Told) -> None:
    await told.mode("ping")
    request = await told.ask()
    assert (await poll(told.house, request["auth_req_id"])).json()["error"] == "authorization_pending"


@proves("approval.push")
async def test_push(told: Told) -> None:
    await told.mode("push")
    request = await told.ask()
    assert "interval" not in request
    refused = await poll(told.house, request["auth_req_id"])
    assert (refused.status_code, refused.json()["error"]) == (400, "unauthorized_client")
    await told.answered()
    assert await told.teller.once() == 1
    headers, body = await told.heard.message()
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert body["auth_req_id"] == request["auth_req_id"]
    assert body["authorization_details"] == [ORDER]
    claims = _claims(body["id_token"])
    assert claims["urn:openid:params:jwt:claim:auth_req_id"] == request["auth_req_id"]
    assert claims["at_hash"] == _half(body["access_token"])
    assert "urn:openid:params:jwt:claim:rt_hash" not in claims
    seen = await told.house.http.post(
        "/oauth/introspect", data={"token": body["access_token"], **told.house.proof("broker-api")}
    )
    assert seen.json()["active"] is True
    assert (await told.row()).parcel is None, "forgotten once it has arrived"
    assert (await told.row()).state == "taken"


async def test_a_pushed_refresh_token_is_named_by_its_hash(told: Told) -> None:
    await told.mode("push")
    await told.ask(authorization_details=None, scope="openid offline_access trade:write")
    await told.answered()
    await told.teller.once()
    _, body = await told.heard.message()
    assert _claims(body["id_token"])["urn:openid:params:jwt:claim:rt_hash"] == _half(body["refresh_token"])


async def test_push_of_a_no(told: Told) -> None:
    await told.mode("push")
    request = await told.ask()
    await told.answered(answer="deny", reason="too much")
    await told.teller.once()
    _, body = await told.heard.message()
    assert body == {"auth_req_id": request["auth_req_id"], "error": "access_denied", "reason": "too much"}


async def test_push_of_what_nobody_answered(told: Told) -> None:
    await told.mode("push")
    request = await told.ask(requested_expiry="10")
    told.house.clock.forward(11)
    approval = await told.row()
    await told.house.store.commit(told.house.store.approvals.expire(approval.id, told.house.clock.now()))
    await told.teller.once()
    _, body = await told.heard.message()
    assert body == {"auth_req_id": request["auth_req_id"], "error": "expired_token"}


async def test_what_was_revoked_meanwhile_is_not_pushed(told: Told) -> None:
    await told.mode("push")
    await told.ask()
    await told.answered()
    approval = await told.row()
    await told.house.store.commit(told.house.store.grants.revoke(approval.grant_id, 1, "changed my mind"))
    await told.teller.once()
    _, body = await told.heard.message()
    assert body["error"] == "transaction_failed"
    assert "access_token" not in body


@proves("approval.client-told-despite-failure")
@pytest.mark.parametrize("mode", ["ping", "push"])
@pytest.mark.parametrize("first", [0, 500, 503, 429])
async def test_what_failed_is_tried_again_with_the_same(told: Told, mode: str, first: int) -> None:
    await told.mode(mode)
    await told.ask()
    await told.answered()
    told.heard.statuses = [first]
    await told.teller.once()
    assert await told.teller.once() == 0, "not at once"
    told.house.clock.forward(PAUSES[0])
    assert await told.teller.once() == 1
    (_, before), (_, after) = told.heard.got
    assert before == after, "one token, however often it is sent"
    failed = await told.house.events("approval.client_not_told")
    assert len(failed) == 1
    assert failed[0].about["again_at"] is not None
    assert TOKEN not in str(failed)


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404])
async def test_what_a_client_refuses_is_not_tried_again(told: Told, status: int) -> None:
    await told.mode("ping")
    request = await told.ask()
    await told.answered()
    told.heard.statuses, told.heard.location = [status], told.heard.url
    await told.teller.once()
    told.house.clock.forward(3600)
    assert await told.teller.once() == 0
    assert len(told.heard.got) == 1, "no redirect is followed either"
    told.house.clock.forward(-3600)
    assert (await poll(told.house, request["auth_req_id"])).status_code == 200, "the flow goes on"


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_every_2xx_will_do(told: Told, status: int) -> None:
    await told.mode("ping")
    await told.ask()
    await told.answered()
    told.heard.statuses = [status]
    await told.teller.once()
    assert (await told.row()).notify_at is None


async def test_tries_end_and_what_was_never_delivered_is_worth_nothing(told: Told) -> None:
    await told.mode("push")
    await told.ask()
    await told.answered()
    told.heard.statuses = [500] * 20
    for pause in (0, *PAUSES):
        told.house.clock.forward(pause)
        assert await told.teller.once() == 1
    told.house.clock.forward(86400)
    assert await told.teller.once() == 0
    assert len(told.heard.got) == 1 + len(PAUSES)
    told.house.clock.forward(-86400 - sum(PAUSES))
    token = told.heard.got[0][1]["access_token"]
    seen = await told.house.http.post("/oauth/introspect", data={"token": token, **told.house.proof("broker-api")})
    assert seen.json() == {"active": False}
    assert (await told.row()).parcel is None


async def test_a_node_that_dies_on_the_way_is_followed_by_another(told: Told) -> None:
    await told.mode("push")
    await told.ask()
    await told.answered()
    store, now = told.house.store, told.house.clock.now()
    approval = await told.row()
    await store.commit(store.approvals.tell(approval.id, now, CLAIMED))  # and then it dies
    assert await told.teller.once() == 0
    with pytest.raises(Lost):
        await store.commit(store.approvals.tell(approval.id, now, CLAIMED))
    told.house.clock.forward(CLAIMED)
    assert await told.teller.once() == 1
    _, body = await told.heard.message()
    assert body["authorization_details"] == [ORDER]


async def test_many_tellers_tell_once(told: Told) -> None:
    await told.mode("ping")
    await told.ask()
    await told.answered()
    tellers = [Teller(told.house.machines) for _ in range(5)]
    await asyncio.gather(*(each.once() for each in tellers))
    assert len(told.heard.got) == 1


async def test_a_running_server_tells_at_once(told: Told) -> None:
    await told.mode("ping")
    told.house.app.listen()
    await told.ask()
    await told.answered()
    async with asyncio.timeout(2):
        await told.heard.message()


async def test_a_suspended_client_is_told_nothing(told: Told) -> None:
    await told.mode("push")
    await told.ask()
    await told.answered()
    await told.mode("push", state="suspended")
    await told.teller.once()
    assert told.heard.got == []


@pytest.mark.parametrize("token", [None, "short", "with spaces in it, though it is long"])
async def test_a_client_that_is_told_must_bring_a_token(told: Told, token: str | None) -> None:
    await told.mode("ping")
    assert (await ask(told.house, client_notification_token=token)).json()["error"] == "invalid_request"


async def test_inner_addresses_are_not_told(database_url: str) -> None:
    async with built(database_url, issuer="https://id.example/") as house, listener() as heard:
        told = Told(house, heard, Teller(house.machines))
        await told.mode("ping")
        await told.ask()
        await told.answered()
        await told.teller.once()
        assert heard.got == []
        assert await house.events("approval.client_not_told")


async def test_nothing_of_it_is_stored_in_the_clear(told: Told) -> None:
    await told.mode("push")
    request = await told.ask()
    await told.answered()
    told.heard.statuses = [500]
    await told.teller.once()
    from remit_server.storage.sql import tables as t
    from remit_server.storage.sql.statements import Select

    rows = await told.house.store.engine.many(Select(t.APPROVALS), {})
    kept = str([dict(row) for row in rows]) + str([bytes(row["body"]) for row in rows])
    pushed = told.heard.got[0][1]
    for secret in (TOKEN, request["auth_req_id"], pushed["access_token"], pushed["id_token"], BROKER):
        assert secret not in kept


async def test_a_client_that_is_pinged_hears_of_a_question_and_then_of_the_answer(told: Told) -> None:
    await told.mode("ping")
    request = await told.ask()
    app = await own_app(told.house)
    (approval,) = await waiting(told.house, app)
    await answer(told.house, app, approval, answer="ask", text="Why?")
    assert await told.teller.once() == 1
    assert await told.teller.once() == 0
    named = {"auth_req_id": request["auth_req_id"]}
    assert (await told.heard.message())[1] == named
    pending = (await poll(told.house, request["auth_req_id"])).json()
    assert pending["interaction"]["question"] == "Why?"
    form = {"auth_req_id": request["auth_req_id"], "text": "Because.", **told.house.proof("agent")}
    assert (await told.house.http.post("/approvals/reply", data=form)).status_code == 200
    assert await told.teller.once() == 0, "of its own words it is not told"
    await told.answered()
    assert await told.teller.once() == 1
    assert (await told.heard.message())[1] == named
    assert (await poll(told.house, request["auth_req_id"])).status_code == 200
