"""Clients that register themselves (RFC 7591), and look after what they registered (RFC 7592)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
from joserfc.jwk import ECKey
from tests.fixtures.house import BROKER, ISSUER, NOTES, House, built, challenge, sqlite
from tests.ledger import proves

from remit_server.records import Api

OPEN = Api(identifier="https://open.example", name="Open", scopes={"read": "Read"}, dynamic_clients=True)
BACK = "https://client.example/cb"
GOOD: dict[str, Any] = {"client_name": "Visitor", "redirect_uris": [BACK]}
INITIAL = "the initial access token"


async def register(house: House, members: Any = GOOD, **headers: str) -> httpx2.Response:
    return await house.http.post("/oidc/register", json=members, headers=headers)


async def registered(house: House, **members: Any) -> dict[str, Any]:
    answer = await register(house, {**GOOD, **members})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def manage(house: House, method: str, client: dict[str, Any], json: Any = None, **change: str) -> httpx2.Response:
    token = change.get("token", client["registration_access_token"])
    headers = {"Authorization": f"Bearer {token}"}
    return await house.http.request(method, client["registration_client_uri"], json=json, headers=headers)


@pytest.fixture
async def open_house(tmp_path: Path) -> Any:
    async with built(sqlite(tmp_path), OPEN, registration="open") as house:
        yield house


async def test_off_is_off(house: House) -> None:
    answer = await register(house)
    assert answer.status_code == 404


@proves("oauth.registration")
async def test_by_token(tmp_path: Path) -> None:
    async with built(sqlite(tmp_path), registration="token", registration_token=INITIAL) as house:
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": f"Basic {INITIAL}"},
            {"Authorization": ""},
        ):
            answer = await register(house, **headers)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), headers
        assert (await register(house, Authorization=f"Bearer {INITIAL}")).status_code == 201


@proves("oauth.registration")
async def test_what_comes_back(open_house: House) -> None:
    house = open_house
    answer = await register(house, {**GOOD, "unheard_of": {"x": 1}, "first_party": True, "dynamic": False, "apis": {}})
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert {"client_id", "client_secret", "client_id_issued_at", "registration_access_token"} <= body.keys()
    assert body["client_secret_expires_at"] == 0
    assert body["grant_types"] == ["authorization_code"]
    assert body["response_types"] == ["code"]
    assert body["token_endpoint_auth_method"] == "client_secret_basic"
    assert not {"unheard_of", "first_party", "dynamic", "apis"} & body.keys()
    record = await house.store.clients.get(body["client_id"])
    assert record
    assert record.dynamic
    assert not record.first_party
    assert record.apis == {"https://open.example": ("read",)}, "no API that does not take them"


async def test_a_registered_client_works_and_the_person_is_asked(open_house: House) -> None:
    house = open_house
    client = await registered(
        house, grant_types=["authorization_code", "refresh_token"], scope="openid read offline_access"
    )
    browser = await house.sign_in()
    verifier = "v" * 43
    await browser.get("/authorize", params={
        "client_id": client["client_id"], "response_type": "code", "redirect_uri": BACK, "scope": "openid read offline_access",
        "resource": OPEN.identifier, "code_challenge": challenge(verifier), "code_challenge_method": "S256",
    })  # fmt: skip
    assert browser.left_for is None, "never without asking"
    await browser.submit(press=("answer", "allow"))
    form = {
        "grant_type": "authorization_code", "code": browser.returned["code"], "redirect_uri": BACK, "code_verifier": verifier,
        "client_id": client["client_id"], "client_secret": client["client_secret"],
    }  # fmt: skip
    tokens = (await house.http.post("/oauth/token", data=form)).json()
    assert tokens["scope"] == "openid read offline_access"
    look = {"token": tokens["access_token"], "client_id": form["client_id"], "client_secret": form["client_secret"]}
    assert (await house.http.post("/oauth/introspect", data=look)).json()["active"]
    assert (await manage(house, "DELETE", client)).status_code == 204
    assert (await house.http.post("/oauth/introspect", data=look)).status_code == 401
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await house.http.get("/userinfo", headers=headers)).status_code == 401, "removed, and so are its tokens"


@proves("oauth.registration")
@pytest.mark.parametrize("audience", [BROKER, NOTES, ISSUER + "me/"])
async def test_it_reaches_no_api_but_those_that_take_it(open_house: House, audience: str) -> None:
    client = await registered(open_house)
    browser = await open_house.sign_in()
    await browser.get("/authorize", params={
        "client_id": client["client_id"], "response_type": "code", "redirect_uri": BACK, "audience": audience,
        "code_challenge": challenge("v" * 43), "code_challenge_method": "S256",
    })  # fmt: skip
    assert browser.returned["error"] == "invalid_target"


@proves("oauth.registration")
@pytest.mark.parametrize(
    "grant",
    [
        "client_credentials", "urn:openid:params:grant-type:ciba", "urn:ietf:params:oauth:grant-type:token-exchange",
        "password", "implicit",
    ],
)  # fmt: skip
async def test_it_gives_itself_no_grant_in_which_nobody_is_asked(open_house: House, grant: str) -> None:
    answer = await register(open_house, {**GOOD, "grant_types": ["authorization_code", grant]})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


@proves("oauth.registration")
async def test_its_own_token_alone_reads_replaces_and_removes(any_house: House) -> None:
    house = any_house
    one, other = [await _planted(house) for _ in range(2)]
    for method, json in (("GET", None), ("PUT", {**GOOD, "client_id": one["client_id"]}), ("DELETE", None)):
        for token in (other["registration_access_token"], "guess", one.get("client_secret", "x")):
            answer = await manage(house, method, one, json, token=token)
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
        bare = await house.http.request(method, one["registration_client_uri"], json=json)
        assert bare.status_code == 401
    for uri in ("/oidc/register/web", "/oidc/register/nobody", "/oidc/register/..%2Fweb"):
        answer = await house.http.get(uri, headers={"Authorization": f"Bearer {one['registration_access_token']}"})
        assert answer.status_code in {401, 404}
    assert (await manage(house, "GET", one)).status_code == 200


async def _planted(house: House) -> dict[str, Any]:
    from remit_server.identity import register as verbs
    from remit_server.rules import registration

    return await verbs.register(house.machines, registration.judge(GOOD), "127.0.0.1")


async def test_reading_shows_no_secret(open_house: House) -> None:
    client = await registered(open_house)
    seen = (await manage(open_house, "GET", client)).json()
    assert not {"client_secret", "registration_access_token", "secrets"} & seen.keys()
    assert client["client_secret"] not in str(seen)


@proves("oauth.registration")
async def test_it_cannot_widen_itself(open_house: House) -> None:
    house = open_house
    client = await registered(house)
    more = {
        **GOOD, "client_id": client["client_id"], "first_party": True, "scope": "openid trade:write answer:me:approvals",
        "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
    }  # fmt: skip
    answer = await manage(house, "PUT", client, more)
    assert answer.status_code == 200
    assert answer.json()["grant_types"] == ["authorization_code"]
    record = await house.store.clients.get(client["client_id"])
    assert record
    assert (record.grants, record.first_party, record.dynamic) == (("authorization_code",), False, True)
    assert record.apis == {"https://open.example": ("read",)}
    worse = await manage(house, "PUT", client, {**more, "grant_types": ["client_credentials"]})
    assert worse.json()["error"] == "invalid_client_metadata"


@proves("oauth.registration")
async def test_replacing_replaces(open_house: House) -> None:
    house = open_house
    client = await registered(house, tos_uri="https://client.example/tos")
    changed = {"client_id": client["client_id"], "client_name": "New", "redirect_uris": ["https://client.example/new"]}
    body = (await manage(house, "PUT", client, changed)).json()
    assert body["client_name"] == "New"
    assert body["redirect_uris"] == ["https://client.example/new"]
    assert "tos_uri" not in body, "what is left out is gone"
    assert "client_secret" not in body
    for wrong in ({}, {"client_id": "web"}, {"client_id": None}, {"client_id": [client["client_id"]]}):
        answer = await manage(house, "PUT", client, {**GOOD, **wrong})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata"), wrong


@proves("oauth.registration")
async def test_a_client_does_not_choose_its_secret(open_house: House) -> None:
    client = await registered(open_house)
    update = {**GOOD, "client_id": client["client_id"]}
    assert (
        await manage(open_house, "PUT", client, {**update, "client_secret": client["client_secret"]})
    ).status_code == 200
    for other in ("mine", "", None, 7, [client["client_secret"]]):
        answer = await manage(open_house, "PUT", client, {**update, "client_secret": other})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata"), other


async def test_a_suspended_one_manages_nothing(open_house: House) -> None:
    client = await registered(open_house)
    clients = open_house.store.clients
    await open_house.store.commit(clients.move(client["client_id"], was="active", state="suspended"))
    for method in ("GET", "PUT", "DELETE"):
        answer = await manage(open_house, method, client, {**GOOD, "client_id": client["client_id"]})
        assert answer.status_code == 401
    assert await clients.get(client["client_id"])


async def test_keys_instead_of_a_secret(open_house: House) -> None:
    key = ECKey.generate_key("P-256", {"kid": "k"})
    jwks = {"keys": [key.as_dict(private=False)]}
    client = await registered(open_house, token_endpoint_auth_method="private_key_jwt", jwks=jwks)
    assert "client_secret" not in client
    native = await registered(
        open_house, token_endpoint_auth_method="none", application_type="native",
        redirect_uris=["http://127.0.0.1/cb", "com.example.app:/cb"],
    )  # fmt: skip
    assert "client_secret" not in native


PRIVATE = ECKey.generate_key("P-256", {"kid": "k"}).as_dict(private=True)
HOSTILE: list[dict[str, Any]] = [
    {"redirect_uris": None}, {"redirect_uris": []}, {"redirect_uris": "https://x.example"}, {"redirect_uris": [7]},
    {"redirect_uris": ["http://x.example/"]}, {"redirect_uris": ["javascript:alert(1)"]}, {"redirect_uris": ["https://["]},
    {"redirect_uris": ["https://u:p@x.example/"]}, {"redirect_uris": ["https://x.example/#f"]},
    {"redirect_uris": ["https://x.example/*"]}, {"redirect_uris": ["data:text/html,x"]}, {"redirect_uris": [""]},
    {"redirect_uris": [f"https://x.example/{n}" for n in range(21)]}, {"redirect_uris": ["https://x.example/" + "x" * 3000]},
    {"redirect_uris": ["com.example.app:/cb"]}, {"post_logout_redirect_uris": ["javascript:x"]},
    {"client_name": "A\u202eB"}, {"client_name": "A\nB"}, {"client_name": "x" * 201}, {"client_name": 7},
    {"client_name": "\x00"}, {"client_name": "\u200b"}, {"client_name": ["x"]},
    {"client_name": "Goo\u00adgle"}, {"client_name": "\u061cA"}, {"client_name": "\u3164"}, {"client_name": " "},
    {"client_name": "A\U000e0041"},
    {"logo_uri": "javascript:alert(1)"}, {"logo_uri": "http://x.example/l.png"}, {"client_uri": "https://["},
    {"policy_uri": 7}, {"tos_uri": "https:///x"}, {"logo_uri": "data:image/svg+xml,<svg/>"},
    {"token_endpoint_auth_method": "client_secret_jwt"}, {"token_endpoint_auth_method": ["none"]},
    {"application_type": "agent"}, {"response_types": ["token"]}, {"response_types": "code"},
    {"grant_types": []}, {"grant_types": "authorization_code"}, {"grant_types": [["x"]]},
    {"scope": 'a"b'}, {"scope": ["openid"]}, {"token_endpoint_auth_method": "private_key_jwt"},
    {"jwks": {"keys": [PRIVATE]}}, {"jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}}, {"jwks": []}, {"jwks": {"keys": {}}},
    {"jwks": {"keys": [{"kty": ["EC"]}]}}, {"jwks_uri": "http://169.254.169.254/"}, {"jwks_uri": "file:///etc/passwd"},
    {"jwks": {"keys": []}, "jwks_uri": "https://x.example/keys"},
]  # fmt: skip


@proves("oauth.registration")
@pytest.mark.parametrize("wrong", HOSTILE, ids=map(str, range(len(HOSTILE))))  # the same in every worker; a key is not
async def test_hostile_metadata(open_house: House, wrong: dict[str, Any]) -> None:
    before = len(await open_house.store.clients.all())
    answer = await register(open_house, {**GOOD, **wrong})
    assert answer.status_code == 400
    assert answer.json()["error"] in {"invalid_client_metadata", "invalid_redirect_uri"}
    assert len(await open_house.store.clients.all()) == before


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b'{"client_name": "\\ud800"}', b"\xff", b"[" * 100_000])
async def test_what_is_no_metadata(open_house: House, body: bytes) -> None:
    answer = await open_house.http.post("/oidc/register", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"] in {"invalid_request", "invalid_client_metadata"}


@proves("oauth.registration")
async def test_nobody_fills_the_register(open_house: House) -> None:
    answers = [await register(open_house) for _ in range(25)]
    limited = [answer for answer in answers if answer.status_code == 429]
    assert sum(answer.status_code == 201 for answer in answers) in range(20, 23)
    assert limited[0].json()["error"] == "too_many_requests"
    assert int(limited[0].headers["retry-after"]) >= 1


async def test_the_trail_tells_and_keeps_no_secret(open_house: House) -> None:
    client = await registered(open_house)
    await manage(open_house, "PUT", client, {**GOOD, "client_id": client["client_id"]})
    await manage(open_house, "DELETE", client)
    events = [event for event in await open_house.events() if event.subject == client["client_id"]]
    assert [event.kind for event in events] == ["client.removed", "client.changed", "client.created"]
    for secret in (client["client_secret"], client["registration_access_token"]):
        assert secret not in str(events)
