"""DPoP (RFC 9449): proofs at the token endpoint and where tokens are used, nonces, and what is bound to a key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from msgspec.structs import replace
from tests.fixtures.dpop import TOKEN, ath, dpop_key, proof
from tests.fixtures.house import BROKER, NOTES, House, built, sqlite
from tests.fixtures.keys import part, unsigned
from tests.ledger import proves

from remit_server.records import Api

VAULT = "https://vault.example"
STRICT = Api(identifier=VAULT, name="Vault room", scopes={"open": "Open it"}, sender_constrained=True)


async def ask(house: House, *proofs: str, client: str = "service", **params: str) -> httpx2.Response:
    """Ask for a token of the client's own, with these DPoP headers."""
    form = {"grant_type": "client_credentials", "audience": BROKER, **house.proof(client), **params}
    return await house.http.post(TOKEN, data=form, headers=[("DPoP", each) for each in proofs])


async def refresh(house: House, token: str, client: str, *proofs: str, **params: str) -> httpx2.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token, **house.proof(client), **params}
    return await house.http.post(TOKEN, data=form, headers=[("DPoP", each) for each in proofs])


async def signed_in(house: House, client: str, *proofs: str, **params: Any) -> httpx2.Response:
    """Redeem a fresh code of Ada's with these proofs."""
    code = await house.code_for(client, **{"scope": "openid offline_access", **params})
    form = {
        "grant_type": "authorization_code", "code": code.value, "redirect_uri": code.redirect_uri,
        "code_verifier": code.verifier, **house.proof(client),
    }  # fmt: skip
    return await house.http.post(TOKEN, data=form, headers=[("DPoP", each) for each in proofs])


async def userinfo(house: House, token: str, *proofs: str, scheme: str = "DPoP") -> httpx2.Response:
    headers = [("Authorization", f"{scheme} {token}"), *(("DPoP", each) for each in proofs)]
    return await house.http.get("/userinfo", headers=headers)


def claims_of(token: str) -> dict[str, Any]:
    from base64 import urlsafe_b64decode

    body = token.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


@proves("oauth.dpop")
@pytest.mark.parametrize("alg", ["ES256", "EdDSA", "PS256", "RS256"])
async def test_a_proof_binds_the_token_to_its_key(house: House, alg: str) -> None:
    key: Any = {
        "ES256": dpop_key, "EdDSA": lambda: OKPKey.generate_key("Ed25519"), "PS256": lambda: RSAKey.generate_key(2048),
        "RS256": lambda: RSAKey.generate_key(2048),
    }[alg]()  # fmt: skip
    answer = await ask(house, proof(house, key, header={"alg": alg}))
    assert answer.status_code == 200, answer.text
    assert answer.json()["token_type"] == "DPoP"
    assert claims_of(answer.json()["access_token"])["cnf"] == {"jkt": key.thumbprint()}
    seen = await house.http.post(
        "/oauth/introspect", data={"token": answer.json()["access_token"], **house.proof("broker-api")}
    )
    assert (seen.json()["token_type"], seen.json()["cnf"]) == ("DPoP", {"jkt": key.thumbprint()})


async def test_without_a_proof_it_is_a_bearer_token(house: House) -> None:
    body = (await ask(house)).json()
    assert body["token_type"] == "Bearer"
    assert "cnf" not in claims_of(body["access_token"])


WRONG_CLAIMS: list[dict[str, Any]] = [
    {"htm": "GET"}, {"htm": "post"}, {"htm": None}, {"htm": ["POST"]},
    {"htu": None}, {"htu": "http://127.0.0.1:8080/oauth/revoke"}, {"htu": "https://127.0.0.1:8080/oauth/token"},
    {"htu": "http://127.0.0.1:8081/oauth/token"}, {"htu": "http://evil.example/oauth/token"}, {"htu": 7},
    {"htu": "http://[/oauth/token"}, {"htu": "http://127.0.0.1:99999999/oauth/token"},
    {"htu": "http://127.0.0.1:8080/oauth/token/"}, {"htu": "/oauth/token"},
    {"jti": None}, {"jti": ""}, {"jti": 7}, {"jti": "j" * 257}, {"nonce": 7},
]  # fmt: skip


@proves("oauth.dpop")
@pytest.mark.parametrize("wrong", WRONG_CLAIMS, ids=str)
async def test_a_proof_for_something_else(house: House, wrong: dict[str, Any]) -> None:
    answer = await ask(house, proof(house, dpop_key(), **wrong))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")


@pytest.mark.parametrize(
    "htu",
    [
        "http://127.0.0.1:8080/oauth/token?x=1",
        "http://127.0.0.1:8080/oauth/token#x",
        "HTTP://127.0.0.1:8080/oauth/token",
    ],
)
async def test_query_fragment_and_letter_case_of_the_scheme_do_not_matter(house: House, htu: str) -> None:
    assert (await ask(house, proof(house, dpop_key(), htu=htu))).status_code == 200


@proves("oauth.dpop")
@pytest.mark.parametrize("off", [-61, 61, 10**400, -(10**30)])
async def test_a_proof_is_fresh(house: House, off: int) -> None:
    refused = await ask(house, proof(house, dpop_key(), iat=house.clock.now() + off))
    assert refused.json()["error"] == "invalid_dpop_proof"
    for allowed in (-60, 60):
        assert (await ask(house, proof(house, dpop_key(), iat=house.clock.now() + allowed))).status_code == 200


@proves("oauth.dpop")
@pytest.mark.parametrize("iat", [None, "now", True, [], float("nan"), float("inf")], ids=str)
async def test_a_time_that_is_none(house: House, iat: Any) -> None:
    """NaN above all: it is not more than the window away from now, and would stay fresh for ever."""
    answer = await ask(house, proof(house, dpop_key(), iat=iat))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")


@proves("oauth.dpop")
async def test_a_proof_works_once(any_house: House) -> None:
    house = any_house
    key = dpop_key()
    once = proof(house, key)
    assert (await ask(house, once)).status_code == 200
    assert (await ask(house, once)).json()["error"] == "invalid_dpop_proof"
    house.clock.forward(59)
    assert (await ask(house, once)).json()["error"] == "invalid_dpop_proof"
    assert (await ask(house, proof(house, key, jti="same"))).status_code == 200
    assert (await ask(house, proof(house, dpop_key(), jti="same"))).status_code == 200, "another key, another proof"
    assert (await ask(house, proof(house, key, jti="same"))).json()["error"] == "invalid_dpop_proof"


@proves("oauth.dpop")
async def test_a_proof_from_tomorrow_is_remembered_until_tomorrow(house: House) -> None:
    """A jti that was burned is kept as long as its proof could be accepted."""
    early = proof(house, dpop_key(), iat=house.clock.now() + 60)
    assert (await ask(house, early)).status_code == 200
    house.clock.forward(119)
    assert (await ask(house, early)).json()["error"] == "invalid_dpop_proof"


@proves("oauth.dpop")
@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "DPOP+JWT", None, ["dpop+jwt"]], ids=str)
async def test_the_kind_of_jwt(house: House, typ: Any) -> None:
    answer = await ask(house, proof(house, dpop_key(), header={"typ": typ} if isinstance(typ, str) else {"typ": "x"}))
    assert answer.json()["error"] == "invalid_dpop_proof"
    if not isinstance(typ, str):
        forged = f"{part({'typ': typ, 'alg': 'ES256', 'jwk': {}})}.{part({})}.{part(b'x' * 64)}"
        assert (await ask(house, forged)).json()["error"] == "invalid_dpop_proof"


@proves("oauth.dpop")
async def test_the_key_is_public_asymmetric_and_signed_the_proof(house: House) -> None:
    key = dpop_key()
    claims = {"htm": "POST", "htu": house.machines.settings.url(TOKEN), "iat": house.clock.now(), "jti": "j"}
    header = {"typ": "dpop+jwt", "alg": "ES256"}
    signed = jwt.encode({**header, "jwk": dpop_key().as_dict(private=False)}, claims, key)
    forged: dict[str, str] = {
        "private": proof(house, key, header={"jwk": key.as_dict(private=True)}),
        "another key": signed,
        "no key": jwt.encode(header, claims, key),
        "none": unsigned({**header, "alg": "none", "jwk": key.as_dict(private=False)}, claims),
        "secret key": unsigned({**header, "jwk": {"kty": "oct", "k": "AAAA"}}, claims),
        "HS256": unsigned({**header, "alg": "HS256", "jwk": {"kty": "oct", "k": "AAAA"}}, claims) + "AAAA",
        "key of another kind": proof(house, key, header={"jwk": RSAKey.generate_key(2048).as_dict(private=False)}),
        "half a key": unsigned({**header, "jwk": {"kty": "EC", "crv": "P-256", "x": "AAAA"}}, claims) + "AAAA",
        "not on the curve": unsigned({**header, "jwk": {"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}}, claims) + "AA",
        "unknown curve": unsigned({**header, "jwk": {"kty": "EC", "crv": "P-1", "x": "AQ", "y": "AQ"}}, claims) + "AA",
        "numbers": unsigned({**header, "jwk": {"kty": "EC", "crv": 7, "x": 7, "y": []}}, claims) + "AA",
        "a list": unsigned({**header, "jwk": [key.as_dict(private=False)]}, claims) + "AA",
        "kty of lists": unsigned({**header, "jwk": {"kty": ["EC"]}}, claims) + "AA",
        "alg of lists": unsigned({**header, "alg": ["ES256"], "jwk": key.as_dict(private=False)}, claims) + "AA",
        "deep": f"{part(('[' * 30_000).encode())}.{part({})}.AA",
        "deep claims": f"{part({**header, 'jwk': key.as_dict(private=False)})}.{part(('[' * 30_000).encode())}.AA",
        "a list of claims": _signed(key, b"[]"),
        "deep and signed": _signed(key, b"[" * 30_000),
        "a huge number": _signed(key, b'{"iat":' + b"9" * 5000 + b"}"),
        "not UTF-8": _signed(key, b"\xff"),
        "empty": "", "words": "words", "two dots": "..", "four dots": "....", "umlauts": "\u00e4.\u00f6.\u00fc",
    }  # fmt: skip
    for name, each in forged.items():
        answer = await house.http.post(
            TOKEN, headers={"DPoP": each.encode("latin-1")},
            data={"grant_type": "client_credentials", "audience": BROKER, **house.proof("service")},
        )  # fmt: skip
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof"), name


def _signed(key: ECKey, payload: bytes) -> str:
    from joserfc import jws

    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False)}
    return jws.serialize_compact(header, payload, key)


@proves("oauth.dpop")
async def test_exactly_one_header(house: House) -> None:
    key = dpop_key()
    answer = await ask(house, proof(house, key), proof(house, key))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    token = (await signed_in(house, "web", proof(house, key))).json()["access_token"]
    two = [proof(house, key, "/userinfo", "GET", access_token=token) for _ in range(2)]
    assert (await userinfo(house, token, *two)).status_code == 401


@proves("oauth.dpop")
async def test_at_a_resource_the_token_needs_its_key(any_house: House) -> None:
    house = any_house
    key = dpop_key()
    token = (await signed_in(house, "web", proof(house, key))).json()["access_token"]

    def fresh(**changes: Any) -> str:
        return proof(house, changes.pop("key", key), "/userinfo", "GET", **{"access_token": token, **changes})

    good = fresh()
    assert (await userinfo(house, token, good)).json()["sub"] == "auth0|ada"
    refused = {
        "as a bearer token": await userinfo(house, token, fresh(), scheme="Bearer"),
        "as a bearer token without a proof": await userinfo(house, token, scheme="Bearer"),
        "without a proof": await userinfo(house, token),
        "the same proof again": await userinfo(house, token, good),
        "another key": await userinfo(house, token, fresh(key=dpop_key())),
        "a proof without ath": await userinfo(house, token, fresh(access_token=None)),
        "a proof for another token": await userinfo(house, token, fresh(ath=ath("another"))),
        "an ath that is no text": await userinfo(house, token, fresh(ath=["x"])),
        "another method": await userinfo(house, token, fresh(htm="POST")),
        "another URL": await userinfo(house, token, fresh(htu="http://127.0.0.1:8080/me/v1/approvals")),
        "an old one": await userinfo(house, token, fresh(iat=house.clock.now() - 61)),
    }
    for name, answer in refused.items():
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token"), name
        assert 'error="' in answer.headers["www-authenticate"], name
    assert refused["a proof without ath"].headers["www-authenticate"].startswith('DPoP error="invalid_dpop_proof"')
    assert 'algs="ES256' in refused["another key"].headers["www-authenticate"]
    for name in ("as a bearer token", "as a bearer token without a proof"):
        assert refused[name].headers["www-authenticate"].startswith('DPoP error="invalid_token", algs="'), name


@proves("oauth.dpop")
async def test_an_unbound_token_is_not_dressed_up(house: House) -> None:
    token = (await house.tokens_for("web"))["access_token"]
    dressed = await userinfo(house, token, proof(house, dpop_key(), "/userinfo", "GET", access_token=token))
    assert dressed.status_code == 401
    assert (await userinfo(house, token, scheme="Bearer")).status_code == 200


@proves("oauth.dpop")
async def test_a_code_may_be_bound_to_a_key_before_it_exists(house: House) -> None:
    key = dpop_key()
    assert (await signed_in(house, "public", dpop_jkt=key.thumbprint())).json()["error"] == "invalid_grant"
    thief = await signed_in(house, "public", proof(house, dpop_key()), dpop_jkt=key.thumbprint())
    assert thief.json()["error"] == "invalid_grant"
    owner = await signed_in(house, "public", proof(house, key), dpop_jkt=key.thumbprint())
    assert owner.status_code == 200
    browser = await house.sign_in()
    await house.authorize(browser, dpop_jkt="short")
    assert browser.returned["error"] == "invalid_request"


@proves("attack.refresh-stolen-key", "oauth.dpop")
async def test_a_public_clients_refresh_token_needs_its_key(any_house: House) -> None:
    house = any_house
    key = dpop_key()
    held = (await signed_in(house, "public", proof(house, key))).json()
    for stolen in ((), (proof(house, dpop_key()),)):
        answer = await refresh(house, held["refresh_token"], "public", *stolen)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    mine = await refresh(house, held["refresh_token"], "public", proof(house, key))
    assert mine.status_code == 200, "what a thief tried costs the owner nothing"
    assert mine.json()["token_type"] == "DPoP"
    assert claims_of(mine.json()["access_token"])["cnf"] == {"jkt": key.thumbprint()}
    successor = mine.json()["refresh_token"]
    assert (await refresh(house, successor, "public")).json()["error"] == "invalid_grant", "bound again"
    assert (await refresh(house, successor, "public", proof(house, key))).status_code == 200


async def test_a_confidential_clients_refresh_token_follows_its_secret(house: House) -> None:
    first, second = dpop_key(), dpop_key()
    held = (await signed_in(house, "web", proof(house, first))).json()
    answer = await refresh(house, held["refresh_token"], "web", proof(house, second))
    assert claims_of(answer.json()["access_token"])["cnf"] == {"jkt": second.thumbprint()}


@proves("oauth.dpop")
async def test_a_client_that_is_always_bound(house: House) -> None:
    for client in ("service", "web"):
        record = await house.store.clients.get(client)
        assert record
        await house.store.commit(
            house.store.clients.put(replace(record, dpop_bound=True)), wakes=(house.store.clients.wake(client),)
        )
    assert (await ask(house)).json()["error"] == "invalid_request"
    assert (await ask(house, proof(house, dpop_key()))).status_code == 200
    assert (await signed_in(house, "web")).json()["error"] == "invalid_request"
    held = (await signed_in(house, "web", proof(house, dpop_key()))).json()
    assert (await refresh(house, held["refresh_token"], "web")).json()["error"] == "invalid_request"


@proves("oauth.dpop")
async def test_an_api_that_takes_bound_tokens_only(tmp_path: Path) -> None:
    async with built(sqlite(tmp_path), STRICT) as house:
        record = await house.store.clients.get("service")
        assert record
        apis = {**record.apis, VAULT: ("open",)}
        await house.store.commit(
            house.store.clients.put(replace(record, apis=apis)), wakes=(house.store.clients.wake("service"),)
        )
        assert (await ask(house, audience=VAULT)).json()["error"] == "invalid_request"
        form = {"grant_type": "client_credentials", **house.proof("service")}
        for order in ([BROKER, VAULT], [VAULT, NOTES]):
            both = await house.http.post(TOKEN, data={**form, "resource": order})
            assert both.json()["error"] == "invalid_request", order
        assert (await ask(house, proof(house, dpop_key()), audience=VAULT)).json()["token_type"] == "DPoP"


@proves("oauth.dpop-nonce")
async def test_a_nonce_is_asked_for_and_renewed(tmp_path: Path) -> None:
    async with built(sqlite(tmp_path), dpop_nonces=True) as house:
        key = dpop_key()
        for stale in (None, "made-up", ""):
            answer = await ask(house, proof(house, key, nonce=stale))
            assert (answer.status_code, answer.json()["error"]) == (400, "use_dpop_nonce")
            assert "www-authenticate" not in answer.headers
        nonce = answer.headers["dpop-nonce"]
        again = await ask(house, proof(house, key, nonce=nonce))
        assert again.status_code == 200
        assert again.headers["dpop-nonce"] == nonce
        house.clock.forward(120)
        renewed = await ask(house, proof(house, key, nonce=nonce))
        assert renewed.status_code == 200, "the last one is still good"
        assert renewed.headers["dpop-nonce"] != nonce
        house.clock.forward(120)
        assert (await ask(house, proof(house, key, nonce=nonce))).json()["error"] == "use_dpop_nonce"


@proves("oauth.dpop-nonce")
async def test_a_nonce_at_a_resource(tmp_path: Path) -> None:
    async with built(sqlite(tmp_path), dpop_nonces=True) as house:
        key = dpop_key()
        nonce = (await ask(house, proof(house, key))).headers["dpop-nonce"]
        token = (await signed_in(house, "web", proof(house, key, nonce=nonce))).json()["access_token"]
        bare = await userinfo(house, token, proof(house, key, "/userinfo", "GET", access_token=token))
        assert bare.status_code == 401
        assert bare.headers["www-authenticate"].startswith('DPoP error="use_dpop_nonce"')
        fresh = proof(house, key, "/userinfo", "GET", access_token=token, nonce=bare.headers["dpop-nonce"])
        assert (await userinfo(house, token, fresh)).status_code == 200


@proves("oauth.dpop-nonce")
async def test_who_shows_a_nonce_unasked_must_show_a_good_one(house: House) -> None:
    assert (await ask(house, proof(house, dpop_key(), nonce="made-up"))).json()["error"] == "use_dpop_nonce"
