"""auth0-server-python 1.0.0b20 and auth0-api-python 1.0.0b10, over TLS, with our host as their domain."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from tests.fixtures.house import BROKER, SECRET, WEB
from tests.interop.live import Live, Trust, bound, listening, live
from tests.interop.play import play_python
from tests.ledger import proves

from remit_server.wire.http import Answer, Request

pytestmark = proves("interop.auth0")

HOME = "https://app.example/"
KEY = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig", "alg": "RS256"})


class Inbox:
    """Where the app hears of a sign-out."""

    def __init__(self) -> None:
        self.tokens: asyncio.Queue[str] = asyncio.Queue()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = await Request(scope, receive).body()
        self.tokens.put_nowait(dict(parse_qsl(body.decode()))["logout_token"])
        await Answer(200).send(send)


@pytest.fixture
async def inbox() -> AsyncIterator[tuple[Inbox, str]]:
    at, port = bound()
    box = Inbox()
    async with listening(box, at):
        yield box, f"http://127.0.0.1:{port}/backchannel-logout"


async def change(server: Live, client_id: str, **changed: Any) -> None:
    kept = server.house.store.clients
    client = await kept.get(client_id)
    assert client
    await server.house.store.commit(kept.put(msgspec.structs.replace(client, **changed)), wakes=(kept.wake(client_id),))


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = msgspec.json.decode(urlsafe_b64decode(token.split(".")[1] + "=="))
    return claims


def altered(body: str) -> str:
    """A JWT's payload with more scope than was signed."""
    claims = msgspec.json.decode(urlsafe_b64decode(body + "=="))
    return urlsafe_b64encode(msgspec.json.encode({**claims, "scope": "admin"})).rstrip(b"=").decode()


async def login(server: Live, inbox: Inbox, **given: Any) -> Any:
    me = f"{server.issuer}me/"
    wanted = [(BROKER, "trade:write"), (me, "create:me:connected_accounts")]
    return await play_python(
        server, "auth0_login", answers={"logout_token": inbox.tokens.get}, client="web", redirect_uri=WEB,
        return_to=HOME, wanted=wanted, **given,
    )  # fmt: skip


@pytest.mark.parametrize("pushed", [False, True], ids=["in the URL", "pushed"])
async def test_login_tokens_and_logout(over_tls: Live, inbox: tuple[Inbox, str], pushed: bool) -> None:
    box, uri = inbox
    await change(over_tls, "web", backchannel_logout_uri=uri)
    got = await login(over_tls, box, secret=SECRET, pushed=pushed)

    assert got["user"]["sub"] == "auth0|ada"
    assert got["app_state"] == {"from": "/orders"}
    assert ("request_uri=" in got["login_url"]) is pushed

    # Row 7: a token for each audience with one refresh each; asked again, no request at all: the scope told what it covers.
    me = f"{over_tls.issuer}me/"
    claims = {audience: claims_of(token) for audience, token in got["tokens"].items()}
    assert claims[BROKER]["aud"] == [BROKER, f"{over_tls.issuer}userinfo"]
    assert claims[me]["aud"] == me
    assert set(claims[BROKER]["scope"].split()) == {"openid", "profile", "email", "offline_access", "trade:write"}
    assert "create:me:connected_accounts" in claims[me]["scope"].split()
    assert got["calls"] == [1, 1, 0, 0]

    # Row 14: signed out at once, sent home, and the app believes our logout token and nothing else.
    assert urlsplit(got["out"]).path == "/v2/logout"
    assert got["returned"] == HOME
    assert [told["iss"] for told in got["told"]] == [over_tls.issuer]
    assert got["told"][0]["sub"] == "auth0|ada"
    assert got["told"][0]["sid"] == got["user"]["sid"]
    assert "signature" in got["tampered"].lower()
    assert "not a backchannel logout event" in got["not_a_logout_token"]


async def test_login_with_private_key_jwt(trust: Trust, tmp_path: Path, inbox: tuple[Inbox, str]) -> None:
    box, uri = inbox
    async with live(tmp_path, trust) as server:
        jwks = {"keys": [KEY.as_dict(private=False)]}
        await change(server, "web", auth_methods=("private_key_jwt",), jwks=jwks, backchannel_logout_uri=uri)
        got = await login(server, box, key=KEY.as_pem(private=True).decode(), pushed=True)
    assert got["user"]["sub"] == "auth0|ada"
    assert got["calls"] == [1, 1, 0, 0]


async def test_api_accepts_our_token_and_no_other(over_tls: Live) -> None:
    house = over_tls.house
    form = {"grant_type": "client_credentials", "audience": BROKER, **house.proof("service")}
    genuine = (await house.http.post("/oauth/token", data=form)).json()["access_token"]
    signer, claims = await house.machines.keys.signer("RS256"), claims_of(genuine)
    head, body, signature = genuine.split(".")
    unknown = RSAKey.generate_key(2048, {"kid": "unknown"})
    tokens = {
        "genuine": genuine,
        "signed again": signer.sign("at+jwt", claims),
        "other issuer": signer.sign("at+jwt", {**claims, "iss": "https://elsewhere.example/"}),
        "issuer without the slash": signer.sign("at+jwt", {**claims, "iss": over_tls.issuer.rstrip("/")}),
        "other audience": signer.sign("at+jwt", {**claims, "aud": "https://notes.example"}),
        "expired": signer.sign("at+jwt", {**claims, "exp": claims["iat"] - 1}),
        "unknown kid": jwt.encode({"alg": "RS256", "kid": "unknown"}, claims, unknown),
        "our kid, another key": jwt.encode({"alg": "RS256", "kid": signer.kid}, claims, unknown),
        "altered": f"{head}.{altered(body)}.{signature}",
    }
    said = await play_python(over_tls, "auth0_api", audience=BROKER, tokens=tokens)
    accepted = {name for name, words in said.items() if isinstance(words, dict)}
    assert accepted == {"genuine", "signed again"}, said
    assert said["genuine"] == claims
    assert said["genuine"]["iss"] == over_tls.issuer
