"""The agent's half of the SDK against a server that misbehaves."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import logging
import pickle
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from joserfc.jwk import ECKey
from starlette.responses import JSONResponse, Response
from tests.journeys.hostile import Dropped, Hostile, Slow, hostile_server, oauth_error, sign

import remit
from remit import Client, Misconfigured, NotAllowed, PrivateKey, ProofKey, SignInRequired, Unavailable

TOKEN = "/oauth/token"
DEVICE = "/oauth/device/code"


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[Hostile]:
    async with hostile_server() as running:
        yield running


@pytest.fixture(autouse=True)
def _decent(server: Hostile) -> None:
    server.reset()
    server.always[DEVICE] = JSONResponse(
        {
            "device_code": "dev-1",
            "user_code": "WDJB-MJHT",
            "verification_uri": f"{server.url}/device",
            "verification_uri_complete": f"{server.url}/device?user_code=WDJB-MJHT",
            "expires_in": 600,
            "interval": 5,
        }
    )


@pytest.fixture
async def client(server: Hostile) -> AsyncIterator[Client]:
    async with Client(server.issuer, "assistant", "s3cret", clock=server.clock) as client:
        yield client


def part(token: str, index: int) -> dict[str, Any]:
    segment = token.split(".")[index]
    return json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))


async def signed_in(client: Client, **kwargs: Any) -> remit.User:
    return await (await client.device_sign_in(scope="trade:write", **kwargs))


# Set-up


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REMIT_URL", raising=False)
    with pytest.raises(Misconfigured, match="REMIT_URL"):
        Client(client_id="a")
    monkeypatch.setenv("REMIT_URL", "https://remit.example/")
    monkeypatch.setenv("REMIT_CLIENT_ID", "assistant")
    monkeypatch.setenv("REMIT_CLIENT_SECRET", "hush")
    assert "hush" not in repr(Client())
    monkeypatch.setenv("REMIT_PRIVATE_KEY", ECKey.generate_key("P-256").as_pem(private=True).decode())
    with pytest.raises(Misconfigured, match="both"):
        Client()


@pytest.mark.parametrize("url", ["http://remit.example/", "ftp://x/", "https://u:p@x/", "remit.example", "http://[/"])
def test_an_issuer_in_clear_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured):
        Client(url, "a", "b")


@pytest.mark.parametrize("stated", ["https://evil.example/", "{url}", "{url}//", None])
async def test_the_issuer_is_compared_byte_for_byte(server: Hostile, client: Client, stated: str | None) -> None:
    server.metadata["issuer"] = stated and stated.replace("{url}", server.url)
    with pytest.raises(Misconfigured, match="issuer"):
        await client.device_sign_in()
    assert TOKEN not in server.received
    assert DEVICE not in server.received


async def test_an_endpoint_in_clear_is_refused(server: Hostile, client: Client) -> None:
    server.metadata["device_authorization_endpoint"] = "http://remit.example/device"
    with pytest.raises(Misconfigured):
        await client.device_sign_in()


@pytest.mark.parametrize(
    "reply",
    [
        Response(status_code=307, headers={"location": "/elsewhere"}),
        Response("<html>", 200),
        Response("[]", 200),
        Response("x" * 2_000_000, 200),
        Response("[" * 100_000, 200),
        Response("oops", 502),
        Dropped(),
    ],
    ids=["redirect", "html", "list", "huge", "deep", "502", "dropped"],
)
async def test_an_answer_that_cannot_be_trusted_permits_nothing(
    server: Hostile, client: Client, reply: Response
) -> None:
    server.always[DEVICE] = reply
    with pytest.raises(Unavailable):
        await client.device_sign_in()
    assert "/elsewhere" not in server.received


async def test_a_large_answer_is_not_read_to_its_end(server: Hostile, client: Client) -> None:
    good = json.loads(bytes(server.always[DEVICE].body))
    server.always[DEVICE] = JSONResponse({**good, "padding": "x" * 2_000_000})
    with pytest.raises(Unavailable, match="larger"):
        await client.device_sign_in()


async def test_no_redirect_is_followed_even_by_a_client_that_would(server: Hostile) -> None:
    server.always["/elsewhere"] = server.always[DEVICE]
    server.always[DEVICE] = Response(status_code=307, headers={"location": f"{server.url}/elsewhere"})
    async with httpx2.AsyncClient(follow_redirects=True) as eager:
        client = Client(server.issuer, "assistant", "s3cret", http=eager, clock=server.clock)
        with pytest.raises(Unavailable, match="redirect"):
            await client.device_sign_in()
    assert "/elsewhere" not in server.received


# Who the client is


async def test_a_secret_goes_by_basic(server: Hostile) -> None:
    async with Client(server.issuer, "as:sistant", "s3 cret", clock=server.clock) as client:
        await client.device_sign_in()
    sent = server.received[DEVICE][0]
    assert base64.b64decode(sent.headers["authorization"].split()[1]) == b"as%3Asistant:s3+cret"
    assert "client_secret" not in sent.form


async def test_a_private_key_signs_for_the_issuer_alone_and_once(server: Hostile) -> None:
    key = ECKey.generate_key("P-256")
    credential = PrivateKey(key.as_pem(private=True), kid="k1")
    async with Client(server.issuer, "assistant", credential, clock=server.clock) as client:
        await client.device_sign_in()
        await client.device_sign_in()
    one, two = (sent.form["client_assertion"] for sent in server.received[DEVICE])
    assert part(one, 0) == {"typ": "JWT", "alg": "ES256", "kid": "k1"}
    claims = part(one, 1)
    assert claims["aud"] == server.issuer
    assert claims["iss"] == claims["sub"] == "assistant"
    assert claims["exp"] - claims["iat"] <= 60
    assert claims["jti"] != part(two, 1)["jti"]


async def test_a_public_client_says_its_name(server: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REMIT_CLIENT_SECRET", raising=False)
    async with Client(server.issuer, "cli", clock=server.clock) as client:
        await client.device_sign_in()
    assert server.received[DEVICE][0].form["client_id"] == "cli"
    assert "authorization" not in server.received[DEVICE][0].headers


# Device sign-in


async def test_signing_in_keeps_the_servers_pace(server: Hostile, client: Client) -> None:
    server.script[TOKEN].extend(
        [
            oauth_error("authorization_pending"),
            oauth_error("slow_down", 429, {"retry-after": "30"}),
            oauth_error("slow_down"),
            Dropped(),
            oauth_error("authorization_pending", 403),
        ]
    )
    prompt = await client.device_sign_in(scope="trade:write", audience="https://broker.example")
    assert prompt.user_code == "WDJB-MJHT"
    assert prompt.verification_uri_complete.endswith("user_code=WDJB-MJHT")
    user, again = await asyncio.gather(prompt, prompt)
    assert user is again
    assert (user.sub, user.name, user.agent) == ("auth0|ada", "Ada", "assistant")
    assert user.scopes == {"openid", "trade:write"}
    assert server.clock.slept == [5, 30, 15, 30, 30]
    assert server.received[DEVICE][0].form["scope"] == "openid trade:write"


@pytest.mark.parametrize(("error", "raised"), [("access_denied", NotAllowed), ("expired_token", SignInRequired)])
async def test_a_sign_in_that_fails(server: Hostile, client: Client, error: str, raised: type[Exception]) -> None:
    server.script[TOKEN].append(oauth_error(error))
    with pytest.raises(raised):
        await signed_in(client)


async def test_a_sign_in_ends_even_if_the_server_never_says_so(server: Hostile, client: Client) -> None:
    server.always[TOKEN] = oauth_error("authorization_pending", headers={"retry-after": "999999999"})
    with pytest.raises(SignInRequired):
        await signed_in(client)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example/"},
        {"aud": "somebody-else"},
        {"aud": ["assistant", "somebody-else"]},
        {"exp": 1},
        {"sub": ""},
    ],
)
async def test_an_id_token_has_to_hold(server: Hostile, client: Client, changes: dict[str, Any]) -> None:
    server.always[TOKEN] = server.tokens(id_token=server.identity(**changes))
    with pytest.raises(Unavailable, match="does not hold"):
        await signed_in(client)


async def test_a_bearer_token_is_no_answer_to_a_proof(server: Hostile, client: Client) -> None:
    server.always[TOKEN] = server.tokens(token_type="Bearer")
    with pytest.raises(Unavailable, match="dpop"):
        await signed_in(client)


async def test_a_nonce_is_answered_once(server: Hostile, client: Client) -> None:
    server.script[TOKEN].append(oauth_error("use_dpop_nonce", headers={"dpop-nonce": "n1"}))
    await signed_in(client)
    first, second = (part(sent.headers["dpop"], 1) for sent in server.received[TOKEN])
    assert "nonce" not in first
    assert second["nonce"] == "n1"
    assert first["jti"] != second["jti"]
    assert second["htu"] == f"{server.url}/oauth/token"
    server.received.clear()
    server.always[TOKEN] = oauth_error("use_dpop_nonce", headers={"dpop-nonce": "n2"})
    with pytest.raises(Misconfigured):
        await signed_in(client)
    assert len(server.received[TOKEN]) == 2


async def test_a_key_for_each_user(server: Hostile) -> None:
    async with Client(server.issuer, "assistant", "s", dpop="user", clock=server.clock) as client:
        await signed_in(client)
        await signed_in(client)
    one, two = (part(sent.headers["dpop"], 0)["jwk"] for sent in server.received[TOKEN])
    assert one != two
    assert "d" not in one


# On behalf of


async def test_a_token_that_was_brought_is_verified_first(server: Hostile, client: Client) -> None:
    user = await client.on_behalf_of(server.access())
    assert user.sub == "auth0|ada"
    assert user.scopes == {"trade:write"}
    for bad in (
        server.access(exp=1),
        server.access(iss="https://evil.example/"),
        server.access(header={"typ": "JWT"}),
        server.identity(),
        sign({"alg": "none", "kid": "rsa", "typ": "at+jwt"}, {"sub": "auth0|ada"}, None),
        "rubbish",
    ):
        with pytest.raises(SignInRequired):
            await client.on_behalf_of(bad)
    assert TOKEN not in server.received


async def test_a_token_meant_for_another_is_refused(server: Hostile, client: Client) -> None:
    brought = server.access(client_id="somebody-else", aud="https://agent.example")
    with pytest.raises(NotAllowed):
        await client.on_behalf_of(brought)
    async with Client(server.issuer, "agent", "s", audience="https://agent.example", clock=server.clock) as agent:
        assert (await agent.on_behalf_of(brought)).sub == "auth0|ada"


async def test_contexts_do_not_mix(server: Hostile, client: Client) -> None:
    ada, bob = client.for_user("ada"), client.for_user("bob")

    async def serve(user: remit.User) -> str:
        with user:
            await asyncio.sleep(0.01)
            with ada:
                assert remit.current_user() is ada
            return remit.current_user().sub

    assert await asyncio.gather(*(serve(user) for user in (ada, bob) * 5)) == ["ada", "bob"] * 5
    with pytest.raises(SignInRequired):
        remit.current_user()
    with pytest.raises(AttributeError):
        ada.sub = "bob"  # type: ignore[misc]


# Renewal


async def test_twenty_callers_make_one_refresh(server: Hostile, client: Client) -> None:
    kept: list[str] = []

    async def keep(token: str) -> None:
        kept.append(token)

    server.script[TOKEN].append(server.tokens(refresh_token="r1", expires_in=1))
    user = await signed_in(client, on_rotate=keep)
    server.script[TOKEN].append(server.tokens(refresh_token="r2", expires_in=300))
    tokens = await asyncio.gather(*(user.access_token() for _ in range(20)))
    assert len(set(map(id, tokens))) == 1
    assert [sent.form.get("refresh_token") for sent in server.received[TOKEN]] == [None, "r1"]
    assert kept == ["r2"]


async def test_two_audiences_never_send_one_refresh_token_twice(server: Hostile, client: Client) -> None:
    server.script[TOKEN].append(server.tokens(refresh_token="r1"))
    user = await signed_in(client)
    server.script[TOKEN].extend([server.tokens(refresh_token="r2"), server.tokens(refresh_token="r3")])
    await asyncio.gather(user.access_token(audience="a"), user.access_token(audience="b"))
    assert [sent.form.get("refresh_token") for sent in server.received[TOKEN]] == [None, "r1", "r2"]


async def test_a_lost_reply_is_asked_for_once_more(server: Hostile, client: Client) -> None:
    server.script[TOKEN].extend([server.tokens(refresh_token="r1", expires_in=1), Dropped()])
    user = await signed_in(client)
    await user.access_token()
    assert [sent.form.get("refresh_token") for sent in server.received[TOKEN]] == [None, "r1", "r1"]


async def test_a_dead_session_wants_a_sign_in(server: Hostile, client: Client) -> None:
    server.script[TOKEN].extend([server.tokens(refresh_token="r1", expires_in=1), oauth_error("invalid_grant")])
    user = await signed_in(client)
    with pytest.raises(SignInRequired):
        await user.access_token()
    with pytest.raises(SignInRequired):
        await user.access_token()
    assert len(server.received[TOKEN]) == 2


async def test_a_cancelled_caller_does_not_lose_the_rotation(server: Hostile, client: Client) -> None:
    server.script[TOKEN].append(server.tokens(refresh_token="r1", expires_in=1))
    user = await signed_in(client)
    server.script[TOKEN].append(Slow(server.tokens(refresh_token="r2"), 0.2))
    caller = asyncio.create_task(user.access_token())
    await asyncio.sleep(0.1)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    await user.access_token()
    await user.access_token(audience="b")
    assert [sent.form.get("refresh_token") for sent in server.received[TOKEN]] == [None, "r1", "r2"]


async def test_a_stored_refresh_token_brings_the_user_back(server: Hostile, client: Client) -> None:
    kept: list[str] = []

    async def keep(token: str) -> None:
        kept.append(token)

    server.script[TOKEN].append(server.tokens(refresh_token="r2"))
    user = await client.on_behalf_of(refresh_token="r1", on_rotate=keep)
    assert user.name == "Ada"
    assert kept == ["r2"]


# Tokens do not spill


async def test_a_token_hides(server: Hostile, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    user = await signed_in(client)
    token = await user.access_token()
    value = token.reveal()
    for shown in (repr(token), str(token), f"{token}", repr(user), repr(vars(user)), repr(client)):
        assert value not in shown
    for refuse in (pickle.dumps, json.dumps, vars):
        with pytest.raises(TypeError):
            refuse(token)
    with pytest.raises(TypeError):
        pickle.dumps(user)
    assert copy.deepcopy(token) is token
    with pytest.raises(AttributeError):
        token.scopes = frozenset()
    assert value not in caplog.text
    assert "s3cret" not in caplog.text
    assert server.received[TOKEN][0].form["device_code"] not in caplog.text


async def test_a_bound_token_proves_itself_at_an_api(server: Hostile, client: Client) -> None:
    user = await signed_in(client)
    token = await user.access_token()
    server.script["/orders"].append(
        Response(status_code=401, headers={"dpop-nonce": "n9", "www-authenticate": 'DPoP error="use_dpop_nonce"'})
    )
    server.always["/orders"] = JSONResponse({})
    async with httpx2.AsyncClient() as http:
        response = await http.post(f"{server.url}/orders?x=1", json={"qty": 1}, auth=token.auth)
    assert response.status_code == 200
    first, second = server.received["/orders"]
    assert first.headers["authorization"] == f"DPoP {token.reveal()}"
    proof = part(second.headers["dpop"], 1)
    assert proof["nonce"] == "n9"
    assert proof["htu"] == f"{server.url}/orders"
    assert second.json == {"qty": 1}


def test_a_proof_key_is_kept_for_its_owner(tmp_path: Any) -> None:
    key = ProofKey.generate()
    key.save(tmp_path / "key.pem")
    assert (tmp_path / "key.pem").stat().st_mode & 0o077 == 0
    assert ProofKey.load(tmp_path / "key.pem").thumbprint == key.thumbprint
    with pytest.raises(FileExistsError):
        key.save(tmp_path / "key.pem")
    with pytest.raises(Misconfigured):
        ProofKey.load(tmp_path / "none.pem")
    with pytest.raises(TypeError):
        pickle.dumps(key)


# Without an event loop


async def test_the_same_api_without_a_loop(server: Hostile) -> None:
    def story() -> str:
        client = Client(server.issuer, "assistant", "s3cret", clock=server.clock)
        try:
            return client.sync(client.sync(client.device_sign_in())).sub
        finally:
            client.close()

    assert await asyncio.to_thread(story) == "auth0|ada"


async def test_a_loop_is_not_blocked_by_mistake(client: Client) -> None:
    with pytest.raises(RuntimeError, match="await instead"):
        client.sync(client.device_sign_in())


async def test_a_client_stays_with_its_loop(client: Client) -> None:
    await client.device_sign_in()
    with pytest.raises(RuntimeError, match="another event loop"):
        await asyncio.to_thread(lambda: asyncio.run(client.device_sign_in()))
