"""Which mistake gets which error: one row each. Columns: what is wrong, the status, the code, and a word of the description
that tells the developer where to look."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import httpx2
import pytest
from tests.endpoints.test_dpop import signed_in
from tests.fixtures import asking
from tests.fixtures.databases import NewDatabase
from tests.fixtures.house import BROKER, NOTES, SECRET, VERIFIER, House, built, request_of
from tests.fixtures.keys import asserted, new_key, part, public, unsigned
from tests.fixtures.spoiled import signed
from tests.ledger import proves

from remit_server.records import Client

pytestmark = proves("input.exact-errors")

BASIC = 'Basic realm="remit"'
GONE: Any = None
"""The parameter is left out."""


@pytest.fixture(scope="module")
async def house(new_database: NewDatabase) -> AsyncIterator[House]:
    """One for all rows: what is refused changes nothing."""
    async with built(new_database("sqlite"), registration="open") as house:
        yield house


class Row(NamedTuple):
    """`changes` are made to a good request; None takes a parameter away. `challenge` is the WWW-Authenticate header."""

    changes: dict[str, Any]
    status: int
    error: str
    says: str = ""
    challenge: str | None = None

    def __str__(self) -> str:
        return ",".join(f"{name}={value!r:.24}" for name, value in self.changes.items())


def refused(answer: httpx2.Response, row: Row) -> None:
    body = answer.json()
    assert (answer.status_code, body["error"]) == (row.status, row.error), body
    assert row.says in body["error_description"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers.get("www-authenticate") == row.challenge
    assert SECRET not in answer.text


def without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


# The token endpoint: what holds for every grant

AT_TOKEN = [
    Row({"grant_type": GONE}, 400, "invalid_request", "grant_type"),
    Row({"grant_type": "password"}, 400, "unsupported_grant_type"),
    Row({"grant_type": "implicit"}, 400, "unsupported_grant_type"),
    Row({"grant_type": "client_credentials", "client_id": "web"}, 400, "unauthorized_client", "client_credentials"),
    Row({"client_id": GONE}, 401, "invalid_client"),
    Row({"client_id": "nobody"}, 401, "invalid_client"),
    Row({"client_id": GONE, "client_secret": GONE}, 401, "invalid_client", "missing"),
    Row({"client_secret": "wrong"}, 401, "invalid_client"),
    Row({"client_secret": GONE}, 401, "invalid_client"),
    Row({"client_id": "public", "client_secret": "unexpected"}, 401, "invalid_client"),
    Row({"client_assertion": "x"}, 400, "invalid_request", "one method"),
    Row({"client_secret": GONE, "client_assertion": "x"}, 400, "invalid_request", "client_assertion_type"),
    Row({"client_secret": GONE, "client_assertion": "x", "client_assertion_type":
         "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, 401, "invalid_client", "not a JWT"),
    Row({"scope": 'broken"'}, 400, "invalid_scope", "character"),
    Row({"scope": "unknown:scope"}, 400, "invalid_scope", "unknown:scope"),
    Row({"audience": "https://unknown.example"}, 400, "invalid_target", "https://unknown.example"),
    Row({"audience": GONE, "resource": "relative/path"}, 400, "invalid_target", "absolute URI"),
    Row({"audience": GONE, "resource": "http://[::1"}, 400, "invalid_target", "absolute URI"),
    Row({"audience": GONE, "resource": BROKER + "#part"}, 400, "invalid_target", "fragment"),
]  # fmt: skip


@pytest.mark.parametrize("row", AT_TOKEN, ids=str)
async def test_at_the_token_endpoint(house: House, row: Row) -> None:
    form = {"grant_type": "client_credentials", "audience": BROKER, **house.proof("service"), **row.changes}
    refused(await house.http.post("/oauth/token", data=without_none(form)), row)


AUTHORIZATION = [
    Row({"authorization": "Basic !!"}, 401, "invalid_client", "base64", BASIC),
    Row({"authorization": "Basic bm9jb2xvbg=="}, 401, "invalid_client", "colon", BASIC),
    Row({"authorization": "Basic c2VydmljZTp3cm9uZw=="}, 401, "invalid_client", "", BASIC),
    Row({"authorization": "Basic bm9ib2R5OndoYXQ="}, 401, "invalid_client", "", BASIC),
    Row({"dpop": "not a JWT"}, 400, "invalid_dpop_proof", "not a JWT"),
    Row({"content-type": "text/plain"}, 415, "unsupported_media_type", "x-www-form-urlencoded"),
    Row({"content-type": "multipart/form-data; boundary=x"}, 415, "unsupported_media_type"),
]


@pytest.mark.parametrize("row", AUTHORIZATION, ids=str)
async def test_headers_at_the_token_endpoint(house: House, row: Row) -> None:
    form = {"grant_type": "client_credentials"} | ({} if "authorization" in row.changes else house.proof("service"))
    refused(await house.http.post("/oauth/token", data=form, headers=row.changes), row)


BODIES = [
    (b"grant_type=a&grant_type=b", Row({}, 400, "invalid_request", "'grant_type' is repeated")),
    (b"grant_type=%ff", Row({}, 400, "invalid_request", "encoded")),
    (b"grant_type=\xff", Row({}, 400, "invalid_request", "UTF-8")),
    (b"grant_type=a%00", Row({}, 400, "invalid_request", "NUL")),
    (b"&".join(b"a%d=1" % i for i in range(200)), Row({}, 400, "invalid_request", "too many")),
    (b"a=" + b"x" * 300_000, Row({}, 413, "payload_too_large")),
    (b"", Row({}, 401, "invalid_client")),
]


@pytest.mark.parametrize(("body", "row"), BODIES, ids=[row.says or row.error for _, row in BODIES])
async def test_bodies_at_the_token_endpoint(house: House, body: bytes, row: Row) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    refused(await house.http.post("/oauth/token", content=body, headers=headers), row)


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'"text"', b"null", b'{"a":1,"a":2}', b'{"a":"\\ud800"}', b'{"a":"\xff"}', b"[" * 99_999]
)
async def test_json_at_the_token_endpoint(house: House, body: bytes) -> None:
    answer = await house.http.post("/oauth/token", content=body, headers={"content-type": "application/json"})
    refused(answer, Row({}, 400, "invalid_request", "body"))


# JWTs that are signed well and hold what no JWT library expects

DEEP = b"[" * 20_000
ODD_PROOFS: list[tuple[Any, Any]] = [
    ({"jwk": {"kty": []}}, {}),
    ({"jwk": {"kty": "EC", "crv": {}, "x": 1, "y": None}}, {}),
    ({"jwk": []}, {}),
    ({"alg": {}}, {}),
    ({"kid": {}, "crit": 7}, {}),
    ([], {}),
    (DEEP, {}),
    ({}, DEEP),
    ({}, []),
    ({}, {"iat": float("nan")}),  # in no window, though it compares as outside of none
    ({}, {"iat": float("inf")}),
    ({}, {"iat": 10**400}),
    ({}, {"jti": {}}),
    ({}, {"htu": "http://[::1"}),
    ({}, {"htm": []}),
    ({}, {"nonce": 7}),
]


@pytest.mark.parametrize(("header", "claims"), ODD_PROOFS, ids=lambda odd: repr(odd)[:40])
async def test_odd_proofs(house: House, header: Any, claims: Any) -> None:
    key = new_key()
    head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": public(key)}
    body = {"htm": "POST", "htu": house.issuer + "oauth/token", "iat": house.clock.now(), "jti": uuid.uuid4().hex}
    proof = signed(
        key,
        head | header if isinstance(header, dict) else header,
        body | claims if isinstance(claims, dict) else claims,
    )
    form = {"grant_type": "client_credentials", "audience": BROKER, **house.proof("service")}
    refused(
        await house.http.post("/oauth/token", data=form, headers={"dpop": proof}), Row({}, 400, "invalid_dpop_proof")
    )


async def test_a_proof_whose_jti_no_text_can_hold_is_like_any_other(house: House) -> None:
    key = new_key()
    head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": public(key)}
    body = {"htm": "POST", "htu": house.issuer + "oauth/token", "iat": house.clock.now(), "jti": "\ud800"}
    form = {"grant_type": "client_credentials", "audience": BROKER, **house.proof("service")}
    headers = {"dpop": signed(key, head, body)}
    assert (await house.http.post("/oauth/token", data=form, headers=headers)).status_code == 200
    refused(
        await house.http.post("/oauth/token", data=form, headers=headers), Row({}, 400, "invalid_dpop_proof", "before")
    )


ODD_ASSERTIONS: list[tuple[Any, Any]] = [
    ({"typ": []}, {}),
    ({"kid": []}, {}),
    ({"alg": []}, {}),
    ([], {}),
    (DEEP, {}),
    ({}, DEEP),
    ({}, b"\xff"),
    ({}, {"sub": "\ud800"}),
    ({}, {"sub": []}),
    ({}, {"exp": float("nan")}),
    ({}, {"exp": 10**400}),
    ({}, {"nbf": float("nan")}),
    ({}, {"iat": 10**400}),
    ({}, {"jti": []}),
    ({}, {"aud": {}}),
]


@pytest.mark.parametrize(("header", "claims"), ODD_ASSERTIONS, ids=lambda odd: repr(odd)[:40])
async def test_odd_assertions(house: House, header: Any, claims: Any) -> None:
    key = new_key()
    await house.store.commit(house.store.clients.put(Client(
        id="signer", name="Signer", kind="service", grants=("client_credentials",), apis={BROKER: ("trade:write",)},
        auth_methods=("private_key_jwt",), jwks={"keys": [public(key)]},
    )))  # fmt: skip
    now = house.clock.now()
    head = {"typ": "JWT", "alg": "ES256", "kid": "k1"}
    body = {"iss": "signer", "sub": "signer", "aud": house.issuer, "iat": now, "exp": now + 60, "jti": uuid.uuid4().hex}
    jwt = signed(
        key,
        head | header if isinstance(header, dict) else header,
        body | claims if isinstance(claims, dict) else claims,
    )
    form = {"grant_type": "client_credentials", "audience": BROKER, **asserted(jwt)}
    refused(await house.http.post("/oauth/token", data=form), Row({}, 401, "invalid_client"))


@pytest.mark.parametrize("ath", ["é", "\ud800", 7, None, []])
async def test_odd_hashes_of_the_token(house: House, ath: Any) -> None:
    """At a resource, the proof names the token."""
    key, now = new_key(), house.clock.now()
    head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": public(key)}
    body = {"htm": "POST", "htu": house.issuer + "oauth/token", "iat": now, "jti": uuid.uuid4().hex}
    answer = await signed_in(house, "web", signed(key, head, body))
    body = {"htm": "GET", "htu": house.issuer + "userinfo", "iat": now, "jti": uuid.uuid4().hex, "ath": ath}
    headers = {"authorization": f"DPoP {answer.json()['access_token']}", "dpop": signed(key, head, body)}
    seen = await house.http.get("/userinfo", headers=headers)
    assert seen.status_code == 401
    assert seen.headers["www-authenticate"].startswith('DPoP error="invalid_dpop_proof"')


# Each grant

AT_CODE = [
    Row({"code": GONE}, 400, "invalid_request", "'code' is missing"),
    Row({"code": "unknown"}, 400, "invalid_grant"),
    Row({"client_id": "stranger"}, 400, "invalid_grant"),
    Row({"redirect_uri": GONE}, 400, "invalid_request", "redirect_uri"),
    Row({"redirect_uri": "https://other.example/"}, 400, "invalid_grant", "redirect_uri"),
    Row({"code_verifier": GONE}, 400, "invalid_grant", "code_verifier"),
    Row({"code_verifier": "short"}, 400, "invalid_request", "43 to 128"),
    Row({"code_verifier": VERIFIER[::-1]}, 400, "invalid_grant", "code_verifier"),
    Row({"resource": NOTES}, 400, "invalid_target", NOTES),
]


@pytest.mark.parametrize("row", AT_CODE, ids=str)
async def test_authorization_code(house: House, row: Row) -> None:
    code = await house.code_for("web", audience=BROKER)
    form = {"grant_type": "authorization_code", "code": code.value, "redirect_uri": code.redirect_uri,
            "code_verifier": code.verifier, **house.proof("web"), **row.changes}  # fmt: skip
    refused(await house.http.post("/oauth/token", data=without_none(form)), row)


AT_REFRESH = [
    Row({"refresh_token": GONE}, 400, "invalid_request", "'refresh_token' is missing"),
    Row({"refresh_token": "unknown"}, 400, "invalid_grant"),
    Row({"client_id": "stranger"}, 400, "invalid_grant"),
    Row({"scope": 'broken"'}, 400, "invalid_scope"),
    Row({"resource": "https://unknown.example"}, 400, "invalid_grant", "https://unknown.example"),
    Row({"resource": "relative"}, 400, "invalid_target", "absolute"),
]


@pytest.mark.parametrize("row", AT_REFRESH, ids=str)
async def test_refresh_token(house: House, row: Row) -> None:
    tokens = await house.tokens_for("web", scope="openid offline_access", audience=BROKER)
    form = {
        "grant_type": "refresh_token",
        "refresh_token": tokens["refresh_token"],
        **house.proof("web"),
        **row.changes,
    }
    refused(await house.http.post("/oauth/token", data=without_none(form)), row)


EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
OF_A_POLL = [
    Row({"grant_type": asking.CIBA}, 400, "invalid_request", "'auth_req_id' is missing"),
    Row({"grant_type": asking.CIBA, "auth_req_id": "unknown"}, 400, "invalid_grant"),
    Row({"grant_type": asking.DEVICE}, 400, "invalid_request", "'device_code' is missing"),
    Row({"grant_type": asking.DEVICE, "device_code": "unknown"}, 400, "invalid_grant"),
    Row({"grant_type": EXCHANGE}, 400, "invalid_request", "'connection'"),
    Row({"grant_type": EXCHANGE, "actor_token": "x"}, 400, "invalid_request", "actor_token"),
]


@pytest.mark.parametrize("row", OF_A_POLL, ids=str)
async def test_other_grants(house: House, row: Row) -> None:
    refused(await house.http.post("/oauth/token", data={**house.proof("agent"), **row.changes}), row)


async def test_a_poll_says_when_to_come_back(house: House) -> None:
    handle = (await asking.asked(house))["auth_req_id"]
    first, second = await asking.poll(house, handle), await asking.poll(house, handle)
    refused(first, Row({}, 400, "authorization_pending"))
    refused(second, Row({}, 400, "slow_down", "10 seconds"))
    assert (first.headers["retry-after"], second.headers["retry-after"]) == ("5", "10")


# Asking a person

AT_CIBA = [
    Row({"client_id": "web"}, 400, "unauthorized_client", "CIBA"),
    Row({"client_secret": "wrong"}, 401, "invalid_client"),
    Row({"login_hint": GONE}, 400, "invalid_request", "login_hint"),
    Row({"id_token_hint": "x"}, 400, "invalid_request", "exactly one"),
    Row({"login_hint": GONE, "id_token_hint": "x"}, 400, "invalid_request", "id_token_hint"),
    Row({"login_hint": "nobody@example.com"}, 400, "unknown_user_id"),
    Row({"login_hint": '{"format":"iss_sub","iss":"http://[::1","sub":"x"}'}, 400, "unknown_user_id", "issuer"),
    Row({"login_hint": "{"}, 400, "unknown_user_id", "JSON"),
    Row({"login_hint_token": "x"}, 400, "invalid_request", "login_hint_token"),
    Row({"user_code": "x"}, 400, "invalid_request", "user_code"),
    Row({"request": "x"}, 400, "invalid_request", "request"),
    Row({"scope": "trade:write"}, 400, "invalid_scope", "openid"),
    Row({"binding_message": "x" * 200}, 400, "invalid_binding_message", "128"),
    Row({"binding_message": "two\nlines"}, 400, "invalid_binding_message", "control"),
    Row({"binding_message": "see http://x.example"}, 400, "invalid_binding_message", "link"),
    Row({"requested_expiry": "soon"}, 400, "invalid_request", "requested_expiry"),
    Row({"requested_expiry": "-5"}, 400, "invalid_request", "requested_expiry"),
    Row({"authorization_details": "{"}, 400, "invalid_authorization_details", "JSON array"),
    Row({"authorization_details": '[{"type":"unknown"}]'}, 400, "invalid_authorization_details", "unknown"),
    Row({"authorization_details": '[{"type":"trade_order"}]'}, 400, "invalid_authorization_details", "trade_order"),
    Row({"audience": "https://unknown.example"}, 400, "invalid_target", "https://unknown.example"),
]


@pytest.mark.parametrize("row", AT_CIBA, ids=str)
async def test_backchannel(house: House, row: Row) -> None:
    refused(await asking.ask(house, **row.changes), row)


AT_DEVICE = [
    Row({"client_id": "web", "client_secret": SECRET}, 400, "unauthorized_client", "device"),
    Row({"client_id": GONE}, 401, "invalid_client"),
    Row({"authorization_details": "[]"}, 400, "invalid_request", "authorization_details"),
    Row({"scope": 'broken"'}, 400, "invalid_scope"),
    Row({"audience": "https://unknown.example"}, 400, "invalid_target", "https://unknown.example"),
]


@pytest.mark.parametrize("row", AT_DEVICE, ids=str)
async def test_device_code(house: House, row: Row) -> None:
    form = {"client_id": "public", "scope": "openid", **row.changes}
    refused(await house.http.post("/oauth/device/code", data=without_none(form)), row)


# What is pushed, and what a browser brings

OF_A_REQUEST = [
    Row({"response_type": GONE}, 400, "invalid_request", "response_type"),
    Row({"response_type": "token"}, 400, "unsupported_response_type", "code"),
    Row({"response_mode": "web_message"}, 400, "unsupported_response_mode", "form_post"),
    Row({"code_challenge": GONE}, 400, "invalid_request", "code_challenge"),
    Row({"code_challenge": "short"}, 400, "invalid_request", "43"),
    Row({"code_challenge_method": "plain"}, 400, "invalid_request", "S256"),
    Row({"code_challenge_method": GONE}, 400, "invalid_request", "S256"),
    Row({"prompt": "none login"}, 400, "invalid_request", "prompt=none"),
    Row({"prompt": "create"}, 400, "invalid_request", "prompt"),
    Row({"max_age": "-1"}, 400, "invalid_request", "max_age"),
    Row({"max_age": "1e9"}, 400, "invalid_request", "max_age"),
    Row({"max_age": "9" * 30}, 400, "invalid_request", "max_age"),
    Row({"acr_values": "urn:unknown"}, 400, "unmet_authentication_requirements", "urn:remit:acr:1fa"),
    Row({"dpop_jkt": "short"}, 400, "invalid_request", "dpop_jkt"),
    Row({"nonce": "x" * 2000}, 400, "invalid_request", "nonce"),
    Row({"request": "eyJ.eyJ."}, 400, "request_not_supported", "push"),
    Row({"id_token_hint": "eyJ"}, 400, "invalid_request", "id_token_hint"),
    Row({"id_token_hint": unsigned({"alg": "RS256", "kid": []}, {})}, 400, "invalid_request", "id_token_hint"),
    Row({"id_token_hint": unsigned({"alg": "RS256", "crit": 7}, {}) + "eA"}, 400, "invalid_request", "id_token_hint"),
    Row({"id_token_hint": f"{part(b'[' * 2900)}.e30.{part(b'x')}"}, 400, "invalid_request", "id_token_hint"),
    Row({"scope": 'broken"'}, 400, "invalid_scope"),
    Row({"resource": "http://[::1"}, 400, "invalid_target"),
    Row({"audience": "https://unknown.example"}, 400, "invalid_target"),
    Row({"authorization_details": "[]"}, 400, "invalid_authorization_details"),
]


@pytest.mark.parametrize("row", OF_A_REQUEST, ids=str)
async def test_pushed_and_by_browser(house: House, row: Row) -> None:
    """The same mistake gets the same error at both; the browser carries it to the client, with `state` and `iss`."""
    sent = without_none({**request_of("web"), **row.changes})
    refused(await house.http.post("/oauth/par", data={**sent, **house.proof("web")}), row)
    browser = house.browser()
    await browser.get("/authorize", params=sent)
    returned = browser.returned
    assert (returned["error"], returned["state"], returned["iss"]) == (row.error, "st-4711", house.issuer)
    assert not set(returned["error_description"]) & set('"\\')


ONLY_PUSHED = [
    Row({"client_secret": "wrong"}, 401, "invalid_client"),
    Row({"redirect_uri": "https://evil.example/"}, 400, "invalid_request", "redirect_uri"),
    Row({"redirect_uri": GONE}, 400, "invalid_request", "redirect_uri"),
    Row({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, 400, "invalid_request", "request_uri"),
]


@pytest.mark.parametrize("row", ONLY_PUSHED, ids=str)
async def test_pushed(house: House, row: Row) -> None:
    form = {**request_of("web"), **house.proof("web"), **row.changes}
    refused(await house.http.post("/oauth/par", data=without_none(form)), row)


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"client_id": GONE}, 400, "invalid_request"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"redirect_uri": "https://evil.example/"}, 400, "invalid_redirect_uri"),
        ({"redirect_uri": GONE}, 400, "invalid_redirect_uri"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:unknown"}, 400, "invalid_request_uri"),
        ({"request_uri": "https://evil.example/object"}, 400, "request_uri_not_supported"),
    ],
)
async def test_shown_to_the_person_and_sent_nowhere(
    house: House, changes: dict[str, Any], status: int, code: str
) -> None:
    answer = await house.authorize(browser := house.browser(), **changes)
    assert (answer.status_code, browser.left_for) == (status, None)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert code in answer.text


# What a client asks about tokens

OF_A_TOKEN = [
    Row({"token": GONE}, 400, "invalid_request", "'token' is missing"),
    Row({"client_secret": "wrong"}, 401, "invalid_client"),
    Row({"client_id": GONE, "client_secret": GONE}, 401, "invalid_client"),
]


@pytest.mark.parametrize("path", ["/oauth/introspect", "/oauth/revoke"])
@pytest.mark.parametrize("row", OF_A_TOKEN, ids=str)
async def test_introspect_and_revoke(house: House, row: Row, path: str) -> None:
    form = {"token": "whatever", **house.proof("agent"), **row.changes}
    refused(await house.http.post(path, data=without_none(form)), row)


async def test_a_public_client_may_not_introspect(house: House) -> None:
    answer = await house.http.post("/oauth/introspect", data={"token": "x", "client_id": "public"})
    refused(answer, Row({}, 400, "unauthorized_client", "secret"))


async def test_another_clients_token_is_not_revoked(house: House) -> None:
    token = (await house.tokens_for("web", audience=BROKER))["access_token"]
    answer = await house.http.post("/oauth/revoke", data={"token": token, **house.proof("agent")})
    refused(answer, Row({}, 400, "invalid_request", "not issued to this client"))


# What a token opens (RFC 6750 section 3)


async def test_challenges(house: House) -> None:
    """Without credentials the challenge has no error code; with bad ones it has."""

    async def see(authorization: str | None) -> httpx2.Response:
        return await house.http.get("/userinfo", headers={"authorization": authorization} if authorization else {})

    refused(await see(None), Row({}, 401, "invalid_token", "needed", "Bearer"))
    refused(await see("Basic YTpi"), Row({}, 401, "invalid_token", "Bearer", "Bearer"))
    refused(await see("Bearer unknown"), Row({}, 401, "invalid_token", "", 'Bearer error="invalid_token"'))
    form = {"grant_type": "client_credentials", "audience": BROKER, **house.proof("service")}
    service = (await house.http.post("/oauth/token", data=form)).json()["access_token"]
    answer = await see(f"Bearer {service}")
    refused(answer, Row({}, 401, "invalid_token", "", 'Bearer error="invalid_token"'))  # it is for another audience


# Registration (RFC 7591 section 3.2.2)

AT_REGISTER = [
    Row({"redirect_uris": GONE}, 400, "invalid_client_metadata", "redirect_uris"),
    Row({"redirect_uris": "https://a.example/"}, 400, "invalid_client_metadata", "redirect_uris"),
    Row({"redirect_uris": ["http://a.example/"]}, 400, "invalid_redirect_uri", "https"),
    Row({"redirect_uris": ["https://[::1"]}, 400, "invalid_redirect_uri", "not a URI"),
    Row({"redirect_uris": ["https://a.example/#f"]}, 400, "invalid_redirect_uri", "fragment"),
    Row({"redirect_uris": ["javascript:alert(1)"]}, 400, "invalid_redirect_uri"),
    Row({"client_name": "a\u202eb"}, 400, "invalid_client_metadata", "client_name"),
    Row({"client_name": 7}, 400, "invalid_client_metadata", "client_name"),
    Row({"grant_types": ["client_credentials"]}, 400, "invalid_client_metadata", "client_credentials"),
    Row({"grant_types": []}, 400, "invalid_client_metadata", "grant_types"),
    Row({"response_types": ["token"]}, 400, "invalid_client_metadata", "response_types"),
    Row({"application_type": "desktop"}, 400, "invalid_client_metadata", "application_type"),
    Row(
        {"token_endpoint_auth_method": "client_secret_jwt"},
        400,
        "invalid_client_metadata",
        "token_endpoint_auth_method",
    ),
    Row({"token_endpoint_auth_method": "private_key_jwt"}, 400, "invalid_client_metadata", "jwks"),
    Row({"jwks": {"keys": [{"kty": []}]}}, 400, "invalid_client_metadata", "jwks"),
    Row(
        {"jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": 1, "y": "\U0001f600"}]}},
        400,
        "invalid_client_metadata",
        "jwks",
    ),
    Row({"jwks": {"keys": [{"kty": "oct", "k": "AA"}]}}, 400, "invalid_client_metadata", "public"),
    Row({"jwks_uri": "https://[::1"}, 400, "invalid_client_metadata", "jwks_uri"),
    Row({"logo_uri": "javascript:alert(1)"}, 400, "invalid_client_metadata", "logo_uri"),
    Row({"scope": 'broken"'}, 400, "invalid_client_metadata", "scope"),
]


@pytest.mark.parametrize("row", AT_REGISTER, ids=str)
async def test_register(house: House, row: Row) -> None:
    house.machines.throttle._buckets.clear()
    body = without_none({"redirect_uris": ["https://a.example/cb"], **row.changes})
    headers = {"content-type": "application/json"}
    refused(await house.http.post("/oidc/register", content=json.dumps(body), headers=headers), row)


# Everywhere


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/oauth/token", "POST"), ("PUT", "/oauth/par", "POST"), ("POST", "/.well-known/jwks.json", "GET, HEAD"),
        ("DELETE", "/userinfo", "GET, POST, HEAD"), ("OPTIONS", "/oauth/introspect", "POST"),
        ("PATCH", "/oidc/register/x", "GET, PUT, DELETE, HEAD"),
    ],
)  # fmt: skip
async def test_another_method(house: House, method: str, path: str, allow: str) -> None:
    answer = await house.http.request(method, path)
    assert answer.headers["allow"] == allow
    refused(answer, Row({}, 405, "method_not_allowed"))


async def test_too_often(house: House) -> None:
    form = {"scope": "openid", "client_id": "public"}
    answers = [await house.http.post("/oauth/device/code", data=form) for _ in range(31)]
    assert answers[-1].headers["retry-after"].isdigit()
    refused(answers[-1], Row({}, 429, "too_many_requests", "wait"))
