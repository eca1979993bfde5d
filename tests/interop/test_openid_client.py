"""npm openid-client 6.8.9, a certified relying party: strict about every answer, so what passes here is well-formed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from joserfc.jwk import ECKey
from tests.fixtures.asking import ORDER
from tests.fixtures.house import AGENT, BROKER, NOTES, SECRET, START, WEB
from tests.interop.live import Live, Trust, bound, live
from tests.interop.play import play_node
from tests.ledger import proves

from remit_server.records import Client

pytestmark = [pytest.mark.node, proves("interop.openid-client", "oauth.issuer-exact")]

AGENT_CLIENT = {"client": "agent", "secret": SECRET, "redirect_uri": AGENT}
PUBLIC_CLIENT = {"client": "public", "auth": "none", "redirect_uri": AGENT}
TRADE = {"scope": "openid trade:write", "audience": BROKER}


@pytest.fixture(params=["over_tls", "on_loopback"])
async def either(request: pytest.FixtureRequest, over_tls: Live, on_loopback: Live) -> Live:
    """Each issuer: with a slash over TLS, without one on loopback."""
    return over_tls if request.param == "over_tls" else on_loopback


@pytest.mark.parametrize("client", [AGENT_CLIENT, PUBLIC_CLIENT], ids=["secret", "none"])
@pytest.mark.parametrize("pushed", [False, True], ids=["in the URL", "pushed"])
async def test_code_with_pkce(either: Live, client: dict[str, Any], pushed: bool) -> None:
    parameters = {"resource": NOTES, "scope": "openid profile email notes:read"}
    got = await play_node(either, "code", **client, pushed=pushed, parameters=parameters)
    assert got["iss"] == either.issuer
    assert got["claims"]["iss"] == either.issuer
    assert got["claims"]["sub"] == got["person"]["sub"] == "auth0|ada"
    assert got["person"]["email"] == "ada@example.com"
    assert set(got["tokens"]["scope"].split()) == {"openid", "profile", "email", "notes:read"}
    assert "refresh_token" not in got["tokens"]
    assert ("request_uri" in got["asked"], "scope" in got["asked"]) == (pushed, not pushed)


async def test_refresh(over_tls: Live) -> None:
    got = await play_node(over_tls, "refresh", **AGENT_CLIENT)
    assert got["sub"] == "auth0|ada"
    assert len({got[turn]["refresh_token"] for turn in ("first", "second", "third")}) == 3
    assert got["third"]["scope"] == "openid"
    assert (got["replayed"], got["after"]) == ("invalid_grant", "invalid_grant"), "a copy ends the family"


async def test_logout(over_tls: Live) -> None:
    home = "https://app.example/"
    got = await play_node(over_tls, "logout", client="web", secret=SECRET, redirect_uri=WEB, return_to=home)
    assert got["before"] == got["sid"], "one session, one sid"
    assert got["returned"] == home + "?state=bye"
    assert got["after"] == "login_required"


@pytest.mark.parametrize("auth", ["client_secret_basic", "client_secret_post"])
async def test_client_credentials_introspection_revocation(either: Live, auth: str) -> None:
    parameters = {"resource": BROKER, "scope": "portfolio:read"}
    got = await play_node(
        either, "client_credentials", client="service", secret=SECRET, auth=auth, parameters=parameters
    )
    assert got["tokens"]["token_type"] == "bearer"  # as the library writes it
    assert got["before"]["active"] is True
    assert got["before"]["iss"] == either.issuer
    assert (got["before"]["aud"], got["before"]["scope"]) == (BROKER, "portfolio:read")
    assert got["after"] == {"active": False}


async def test_private_key_jwt(trust: Trust, tmp_path: Path) -> None:
    key = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig", "alg": "ES256"})
    robot = Client(
        id="robot", name="Robot", kind="service", auth_methods=("private_key_jwt",), grants=("client_credentials",),
        apis={BROKER: ("portfolio:read",)}, jwks={"keys": [key.as_dict(private=False)]}, created_at=START,
    )  # fmt: skip
    async with live(tmp_path, trust, robot) as server:
        asked = {"client": "robot", "parameters": {"resource": BROKER}}
        got = await play_node(server, "client_credentials", jwk=key.as_dict(private=True), **asked)
    assert got["before"]["client_id"] == "robot"
    assert got["after"] == {"active": False}


async def test_device(over_tls: Live) -> None:
    parameters = {"scope": "openid profile offline_access", "audience": BROKER}
    got = await play_node(over_tls, "device", **PUBLIC_CLIENT, parameters=parameters)
    assert got["started"]["verification_uri"] == f"{over_tls.issuer}device"
    assert got["claims"]["sub"] == "auth0|ada"
    assert "refresh_token" in got["tokens"]


async def test_device_refused(over_tls: Live) -> None:
    got = await play_node(over_tls, "device", **PUBLIC_CLIENT, parameters={"scope": "openid"}, answer="deny")
    assert got["tokens"] == {"error": "access_denied"}


@pytest.mark.parametrize("answer", ["approve", "deny"])
async def test_ciba(either: Live, answer: str) -> None:
    hint = json.dumps({"format": "iss_sub", "iss": either.issuer, "sub": "auth0|ada"})
    asked = {"login_hint": hint, "binding_message": f"Buy 10 ZEKO, {answer}", **TRADE}
    asked["authorization_details"] = json.dumps([ORDER])
    got = await play_node(either, "ciba", **AGENT_CLIENT, parameters=asked, answer=answer)
    if answer == "deny":
        assert got["tokens"] == {"error": "access_denied"}
    else:
        assert got["tokens"]["authorization_details"] == [ORDER]
        assert got["claims"]["sub"] == "auth0|ada"


@pytest.mark.parametrize("answer", ["approve", "deny"])
async def test_ciba_ping(trust: Trust, tmp_path: Path, answer: str) -> None:
    at, port = bound()
    at.close()  # the client's own process will listen there
    token = "8d67dc78-7faa-4d41-aabd-67707b374255"
    async with live(tmp_path, trust, tls=False) as server:
        clients = server.house.store.clients
        agent = await clients.get("agent")
        assert agent is not None
        pinged = msgspec.structs.replace(
            agent, backchannel_token_delivery_mode="ping",
            backchannel_client_notification_endpoint=f"http://127.0.0.1:{port}/told",
        )  # fmt: skip
        await server.house.store.commit(clients.put(pinged), wakes=(clients.wake("agent"),))
        server.house.app.listen()
        asked = {"login_hint": "ada@example.com", "binding_message": f"Buy 10 ZEKO, {answer}", **TRADE}
        asked |= {"authorization_details": json.dumps([ORDER]), "client_notification_token": token}
        got = await play_node(server, "ciba_ping", **AGENT_CLIENT, parameters=asked, answer=answer, port=port)
    assert got["ping"] == {"bearer": f"Bearer {token}", "body": {"auth_req_id": got["started"]["auth_req_id"]}}
    assert server.calls.count("POST /oauth/token") == 1, "nothing was polled"
    if answer == "deny":
        assert got["tokens"] == {"error": "access_denied"}
    else:
        assert got["tokens"]["authorization_details"] == [ORDER]
        assert got["claims"]["sub"] == "auth0|ada"


@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
async def test_registration(over_tls: Live, method: str) -> None:
    metadata = {
        "client_name": "A stranger", "redirect_uris": ["https://stranger.example/cb"],
        "token_endpoint_auth_method": method, "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid profile email offline_access",
    }  # fmt: skip
    got = await play_node(over_tls, "registration", metadata=metadata, redirect_uri="https://stranger.example/cb")
    assert got["claims"]["aud"] == got["client"]["client_id"]
    assert ("client_secret" in got["client"]) == (method != "none")
    assert got["read"]["redirect_uris"] == metadata["redirect_uris"]
    assert "client_secret" not in got["read"]
    assert (got["removed"], got["after"]) == (204, "invalid_client")


@pytest.mark.parametrize("nonces", [False, True], ids=["no nonces", "nonces"])
async def test_dpop(trust: Trust, tmp_path: Path, nonces: bool) -> None:
    async with live(tmp_path, trust, dpop_nonces=nonces) as server:
        got = await play_node(server, "dpop", **AGENT_CLIENT, parameters={"audience": BROKER}, pushed=nonces)
    assert {got[each]["token_type"] for each in ("service", "tokens", "refreshed")} == {"dpop"}
    assert got["person"]["sub"] == "auth0|ada"
    assert got["introspected"]["cnf"] == {"jkt": got["thumbprint"]}
    assert got["stolen"] == 401, "a bound token is worth nothing as a Bearer token"
