"""The verbs of a user: borrow, ask. Against a server that misbehaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response
from tests.journeys.hostile import Dropped, Hostile, hostile_server, oauth_error

from remit import (
    ApprovalDenied,
    ApprovalExpired,
    ApprovalPending,
    Client,
    ConnectRequired,
    DetailsChanged,
    Misconfigured,
    MoreInfoRequested,
    NotAllowed,
    SignInRequired,
    Unavailable,
    User,
    UserAway,
)
from remit.details import digest

TOKEN, BC, REPLY = "/oauth/token", "/bc-authorize", "/approvals/reply"
ORDER = {"type": "trade_order", "side": "buy", "ticker": "ZEKO", "qty": 10, "limit": "41.20 USD"}


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[Hostile]:
    async with hostile_server() as running:
        yield running


@pytest.fixture(autouse=True)
def _decent(server: Hostile) -> None:
    server.reset()
    server.always[BC] = JSONResponse({"auth_req_id": "req-1", "expires_in": 300, "interval": 5})


@pytest.fixture
async def client(server: Hostile) -> AsyncIterator[Client]:
    async with Client(server.issuer, "assistant", "s3cret", clock=server.clock) as client:
        yield client


@pytest.fixture
async def ada(server: Hostile, client: Client) -> User:
    return await client.on_behalf_of(server.access())


def granted(server: Hostile, **changes: Any) -> Response:
    return server.tokens(**{"authorization_details": [ORDER], **changes})


# Asking


async def test_a_request_names_the_user_and_the_exact_act(server: Hostile, ada: User) -> None:
    approval = await ada.request(ORDER, audience="https://broker.example", message="as you said", expires_in=120)
    sent = server.received[BC][0].form
    assert json.loads(sent["login_hint"]) == {"format": "iss_sub", "iss": server.issuer, "sub": "auth0|ada"}
    assert json.loads(sent["authorization_details"]) == [ORDER]
    assert sent["scope"] == "openid"
    assert sent["audience"] == "https://broker.example"
    assert sent["binding_message"] == "as you said"
    assert sent["requested_expiry"] == "120"
    assert approval.expires_at == int(server.clock.now()) + 300
    assert approval.id not in repr(approval)


async def test_waiting_honours_the_servers_pace(server: Hostile, ada: User) -> None:
    server.script[TOKEN].extend(
        [
            oauth_error("authorization_pending"),
            oauth_error("slow_down", 429, {"retry-after": "20"}),
            oauth_error("slow_down"),
            Response("busy", 429, headers={"retry-after": "40"}),
            Dropped(),
            granted(server, id_token=server.identity(exp=server.clock.now() + 600)),
        ]
    )
    approval = await ada.request(ORDER)
    grant, again = await asyncio.gather(approval, approval.wait())
    assert grant is again
    assert server.clock.slept == [5, 20, 15, 40, 60]
    assert grant.details == (ORDER,)
    assert grant.approved_by == "auth0|ada"
    assert grant.approved_at == 1_800_000_000
    assert len(server.received[TOKEN]) == 6
    assert await approval is grant


async def test_the_server_may_hold_its_answer_as_long_as_the_caller_waits(server: Hostile, ada: User) -> None:
    server.always[TOKEN] = oauth_error("authorization_pending")
    approval = await ada.request(ORDER)
    for timeout in (0, 8, 60):
        with pytest.raises(ApprovalPending):
            await approval.wait(timeout=timeout)
    prefers = [each.headers.get("prefer") for each in server.received[TOKEN]]
    assert prefers[0] is None, "a look is no wait"
    assert prefers[1] == "wait=3", "of eight seconds five went by until the pace let it ask"
    assert prefers[2] == "wait=10"


async def test_looking_once_does_not_wait(server: Hostile, ada: User) -> None:
    server.always[TOKEN] = oauth_error("authorization_pending")
    approval = await ada.request(ORDER)
    with pytest.raises(ApprovalPending) as pending:
        await approval.wait(timeout=0)
    assert pending.value.id == "req-1"
    assert pending.value.url == f"{server.url}/approvals"
    assert pending.value.poll_after == 5
    with pytest.raises(ApprovalPending):
        await approval.wait(timeout=3)
    assert len(server.received[TOKEN]) == 1
    with pytest.raises(ApprovalPending):
        await approval.wait(timeout=6)
    assert len(server.received[TOKEN]) == 2


async def test_a_question_comes_back_and_the_request_stays_open(server: Hostile, ada: User) -> None:
    server.script[TOKEN].extend(
        [
            oauth_error("authorization_pending", interaction={"question": "Why ten?", "asked_by": "auth0|ada"}),
            granted(server),
        ]
    )
    server.always[REPLY] = JSONResponse({"expires_in": 100, "interval": 5})
    approval = await ada.request(ORDER)
    with pytest.raises(MoreInfoRequested, match="Why ten") as question:
        await approval
    assert question.value.asked_by == "auth0|ada"
    await approval.answer("The price fell")
    (reply,) = server.received[REPLY]
    assert (reply.form["auth_req_id"], reply.form["text"]) == ("req-1", "The price fell")
    assert "dpop" in reply.headers, "the request may be bound to the key"
    assert (await approval).details == (ORDER,)


@pytest.mark.parametrize(
    ("error", "raised"),
    [("conflict", NotAllowed), ("expired_token", ApprovalExpired), ("invalid_request", Misconfigured)],
)
async def test_a_reply_that_is_not_taken(server: Hostile, ada: User, error: str, raised: type[Exception]) -> None:
    server.always[REPLY] = oauth_error(error)
    approval = await ada.request(ORDER)
    with pytest.raises(raised):
        await approval.answer("see www.evil.example")


def edited(details: list[Any], **changes: Any) -> dict[str, Any]:
    said = {"id": "a_1", "digest": digest(details), "edited": True, "changes": ["Shares: 10 → 8"], **changes}
    return {"authorization_details": details, "approval": said}


async def test_the_person_approves_less(server: Hostile, ada: User) -> None:
    less = [{**ORDER, "qty": 8}]
    server.script[TOKEN].append(granted(server, **edited(less)))
    grant = await (await ada.request(ORDER))
    assert grant.details == tuple(less)
    assert grant.changes == ("Shares: 10 → 8",)


@pytest.mark.parametrize(
    "changes", [{"edited": False}, {"edited": "yes"}, {"digest": digest([ORDER])}, {"changes": None}]
)
async def test_a_change_that_nobody_made_is_no_edit(server: Hostile, ada: User, changes: dict[str, Any]) -> None:
    server.script[TOKEN].append(granted(server, **edited([{**ORDER, "qty": 1000}], **changes)))
    with pytest.raises(DetailsChanged):
        await (await ada.request(ORDER))


async def test_no_is_final(server: Hostile, ada: User) -> None:
    server.always[TOKEN] = oauth_error("access_denied", reason="wrong amount", denied_by="auth0|ada")
    approval = await ada.request(ORDER, key="run-1:call-1")
    for _ in range(2):
        with pytest.raises(ApprovalDenied) as denied:
            await (await ada.request(ORDER, key="run-1:call-1"))
        assert denied.value.reason == "wrong amount"
    with pytest.raises(ApprovalDenied):
        await approval
    assert len(server.received[TOKEN]) == len(server.received[BC]) == 1


@pytest.mark.parametrize("error", ["expired_token", "invalid_grant"])
async def test_too_late(server: Hostile, ada: User, error: str) -> None:
    server.always[TOKEN] = oauth_error(error)
    with pytest.raises(ApprovalExpired):
        await (await ada.request(ORDER))


async def test_the_server_judges_expiry_and_silence_ends(server: Hostile, ada: User) -> None:
    server.always[TOKEN] = oauth_error("authorization_pending", headers={"retry-after": "99999999"})
    approval = await ada.request(ORDER)
    with pytest.raises(ApprovalExpired):
        await approval
    assert server.clock.now() >= (approval.expires_at or 0)
    assert len(server.received[TOKEN]) == 2  # once at first, and once when its time was up


async def test_a_key_asks_once(server: Hostile, client: Client, ada: User) -> None:
    approvals = await asyncio.gather(*(ada.request(ORDER, key="k") for _ in range(20)))
    assert len(set(map(id, approvals))) == 1
    assert len(server.received[BC]) == 1
    reordered = dict(reversed(ORDER.items()))
    assert await ada.request(reordered, key="k") is approvals[0]
    await client.for_user("auth0|bob").request(ORDER, key="k")
    assert len(server.received[BC]) == 2


@pytest.mark.parametrize("changed", [{"qty": 1000}, {"qty": "10"}, {"qty": True}, {"extra": 1}])
async def test_the_same_key_for_another_act_is_refused(server: Hostile, ada: User, changed: dict[str, Any]) -> None:
    await ada.request(ORDER, key="k")
    with pytest.raises(DetailsChanged) as refusal:
        await ada.request({**ORDER, **changed}, key="k")
    assert refusal.value.field == next(iter(changed))
    assert len(server.received[BC]) == 1


async def test_a_race_of_two_acts_under_one_key(server: Hostile, ada: User) -> None:
    outcomes = await asyncio.gather(
        ada.request(ORDER, key="k"), ada.request({**ORDER, "qty": 1000}, key="k"), return_exceptions=True
    )
    assert sum(isinstance(outcome, DetailsChanged) for outcome in outcomes) == 1


@pytest.mark.parametrize(
    "other",
    [[{**ORDER, "qty": 1000}], [ORDER, ORDER], [], [{**ORDER, "qty": "10"}]],
)
async def test_a_grant_of_something_else_is_refused(server: Hostile, ada: User, other: list[Any]) -> None:
    server.always[TOKEN] = granted(server, authorization_details=other)
    with pytest.raises(DetailsChanged):
        await (await ada.request(ORDER))


@pytest.mark.parametrize(
    "changes",
    [
        {"id_token": None},
        {"id_token": 7},
        {"authorization_details": None},
        {"token_type": "Bearer"},
        {"access_token": None},
        {"access_token": 7},
    ],
)
async def test_a_grant_that_cannot_be_trusted(server: Hostile, ada: User, changes: dict[str, Any]) -> None:
    server.always[TOKEN] = granted(server, **changes)
    with pytest.raises(Unavailable):
        await (await ada.request(ORDER))


async def test_bobs_answer_is_not_adas(server: Hostile, ada: User) -> None:
    server.always[TOKEN] = granted(server, id_token=server.identity(sub="auth0|bob"))
    with pytest.raises(Unavailable, match="somebody else"):
        await (await ada.request(ORDER))


async def test_another_process_takes_it_up(server: Hostile, ada: User, client: Client) -> None:
    approval = await ada.request(ORDER)
    assert client.approval(approval.id) is approval
    async with Client(server.issuer, "assistant", "s3cret", clock=server.clock) as elsewhere:
        server.always[TOKEN] = granted(server)
        grant = await elsewhere.approval(approval.id)
    assert grant.details == (ORDER,)
    assert server.received[TOKEN][0].form["auth_req_id"] == "req-1"


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        ("unauthorized_client", NotAllowed),
        ("forbidden", NotAllowed),
        ("invalid_authorization_details", Misconfigured),
        ("invalid_binding_message", Misconfigured),
        ("unknown_user_id", Misconfigured),
    ],
)
async def test_a_request_that_is_not_taken(server: Hostile, ada: User, error: str, raised: type[Exception]) -> None:
    server.always[BC] = oauth_error(error, error_description="no\r\nhttps://evil.example/x")
    with pytest.raises(raised, match=error) as refusal:
        await ada.request(ORDER)
    assert "evil" not in str(refusal.value)


async def test_who_asks_too_often_hears_when_to_come_again(server: Hostile, ada: User) -> None:
    server.always[BC] = oauth_error("too_many_requests", 429, {"retry-after": "60"})
    with pytest.raises(Unavailable) as refusal:
        await ada.request(ORDER)
    assert refusal.value.retry_after == 60


@pytest.mark.parametrize("details", [[], {}, {"qty": 1}, {"type": ""}])
async def test_details_without_a_type(ada: User, details: Any) -> None:
    with pytest.raises(ValueError, match="type"):
        await ada.request(details)


async def test_details_are_copied_when_asked(server: Hostile, ada: User) -> None:
    order = {**ORDER, "legs": [{"qty": 1}]}
    approval = await ada.request(order)
    order["legs"][0]["qty"] = 1000
    assert approval.details is not None
    assert approval.details[0]["legs"] == [{"qty": 1}]


# Borrowing


async def test_the_vault_lends_a_token(server: Hostile, ada: User) -> None:
    server.always[TOKEN] = server.tokens(access_token="ya29", token_type="Bearer", scope="calendar.read profile")
    token = await ada.token("calendar", scopes=["calendar.read"], account="ada@upstream")
    assert token.reveal() == "ya29"
    assert token.scopes == {"calendar.read", "profile"}
    sent = server.received[TOKEN][0].form
    assert sent["grant_type"].endswith("federated-connection-access-token")
    assert sent["subject_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert sent["requested_token_type"] == "http://auth0.com/oauth/token-type/federated-connection-access-token"
    assert (sent["connection"], sent["login_hint"], sent["scope"]) == ("calendar", "ada@upstream", "calendar.read")


async def test_a_refresh_token_stands_for_the_user(server: Hostile, client: Client) -> None:
    server.script[TOKEN].append(server.tokens(refresh_token="r2"))
    ada = await client.on_behalf_of(refresh_token="r1")
    server.always[TOKEN] = server.tokens(access_token="ya29", token_type="Bearer")
    await ada.token("calendar")
    sent = server.received[TOKEN][1].form
    assert sent["subject_token"] == "r2"
    assert sent["subject_token_type"] == "urn:ietf:params:oauth:token-type:refresh_token"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("federated_connection_refresh_token_not_found", "not_connected"),
        ("federated_connection_refresh_token_flow_failed", "revoked_upstream"),
    ],
)
async def test_not_connected_brings_the_link(server: Hostile, ada: User, error: str, reason: str) -> None:
    link = f"{server.url}/connect?ticket=t1"
    server.always[TOKEN] = oauth_error(error, 401, connect_uri=link)
    with pytest.raises(ConnectRequired) as needed:
        await ada.token("calendar", scopes=["calendar.read"])
    assert (needed.value.connection, needed.value.url, needed.value.reason) == ("calendar", link, reason)
    assert link in needed.value.for_user()
    assert "ticket" not in needed.value.for_model()


@pytest.mark.parametrize(
    ("said", "reason", "missing"),
    [
        ("not_connected", "not_connected", ("calendar.read",)),
        ("missing_scopes", "missing_scopes", ("calendar.read",)),
        ("limited", "limited", ()),
        ("away", "away", ()),
        ("something new", "not_connected", ("calendar.read",)),
        (7, "not_connected", ("calendar.read",)),
    ],
)
async def test_why_an_account_is_not_lent(
    server: Hostile, ada: User, said: Any, reason: str, missing: tuple[str, ...]
) -> None:
    link = f"{server.url}/accounts"
    error = oauth_error("federated_connection_refresh_token_not_found", 401, connect_uri=link, reason=said)
    server.always[TOKEN] = error
    with pytest.raises(ConnectRequired) as needed:
        await ada.token("calendar", scopes=["calendar.read"])
    got = needed.value
    assert (got.reason, got.missing_scopes, got.url) == (reason, missing, link)
    assert isinstance(got, UserAway) is (reason == "away")
    assert "'calendar'" in got.for_model()


@pytest.mark.parametrize("link", [None, 7, "javascript:alert(1)", "http://evil.example/", "data:text/html,x"])
async def test_a_link_that_must_not_be_followed_is_replaced(server: Hostile, ada: User, link: Any) -> None:
    server.always[TOKEN] = oauth_error("federated_connection_refresh_token_not_found", 401, connect_uri=link)
    with pytest.raises(ConnectRequired) as needed:
        await ada.token("calendar")
    assert needed.value.url == f"{server.url}/accounts"


async def test_too_little_granted_upstream_is_not_enough(server: Hostile, ada: User) -> None:
    server.always[TOKEN] = server.tokens(access_token="ya29", token_type="Bearer", scope="calendar.read")
    with pytest.raises(ConnectRequired) as needed:
        await ada.token("calendar", scopes=["calendar.read", "calendar.write"])
    assert needed.value.missing_scopes == ("calendar.write",)


async def test_code_without_an_event_loop_borrows_too(server: Hostile) -> None:
    server.always[TOKEN] = server.tokens(access_token="ya29", token_type="Bearer", scope="calendar.read")

    def borrows() -> str:
        client = Client(server.issuer, "assistant", "s3cret", clock=server.clock)
        try:
            user = client.sync(client.on_behalf_of(server.access()))
            return client.sync(user.token("calendar", scopes=["calendar.read"])).reveal()
        finally:
            client.close()

    assert await asyncio.to_thread(borrows) == "ya29"


async def test_nobody_behind_the_session(server: Hostile, client: Client) -> None:
    with pytest.raises(SignInRequired):
        await client.for_user("auth0|ada").token("calendar")
    assert TOKEN not in server.received
