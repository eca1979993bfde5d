"""Attack 18: a JWT taken for something that it is not (RFC 8725)."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from tests.fixtures.house import BROKER, House
from tests.fixtures.keys import asserted, assertion, give_key, hmac_signed, new_key, part, public, unsigned
from tests.ledger import proves


async def present(house: House, jwt_: str) -> httpx2.Response:
    form = {"grant_type": "client_credentials", "audience": BROKER, **asserted(jwt_)}
    return await house.http.post("/oauth/token", data=form)


def claims(house: House) -> dict[str, Any]:
    now = house.clock.now()
    return {"iss": "service", "sub": "service", "aud": house.issuer, "iat": now, "exp": now + 60, "jti": "j1"}


@proves("attack.jwt-algorithm")
@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", "HS256"])
async def test_unsigned_or_signed_with_what_is_public(house: House, alg: str) -> None:
    key = RSAKey.generate_key(2048, {"kid": "k1"})
    await give_key(house, "service", key)
    header = {"alg": alg, "kid": "k1", "typ": "JWT"}
    forged = [
        unsigned(header, claims(house)),
        hmac_signed(header, claims(house), key.as_pem(private=False)),
        hmac_signed(header, claims(house), json.dumps(public(key)).encode()),
    ]
    for jwt_ in forged:
        assert (await present(house, jwt_)).status_code == 401


@proves("attack.jwt-algorithm")
async def test_an_algorithm_that_the_client_is_not_registered_for(house: House) -> None:
    key = RSAKey.generate_key(2048, {"kid": "k1"})
    await give_key(house, "service", key, assertion_algs=("PS256",))
    rs256 = jwt.encode({"alg": "RS256", "kid": "k1"}, claims(house), key, algorithms=["RS256"])
    assert (await present(house, rs256)).status_code == 401
    ps256 = jwt.encode({"alg": "PS256", "kid": "k1"}, claims(house), key, algorithms=["PS256"])
    assert (await present(house, ps256)).status_code == 200


@proves("attack.jwt-key-by-header")
@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c"])
async def test_a_key_that_the_token_brings_along(house: House, member: str) -> None:
    own, attackers = new_key(), new_key()
    await give_key(house, "service", own)
    value: Any = {"jwk": public(attackers), "x5c": ["AAAA"]}.get(member, "http://127.0.0.1:1/keys.json")
    header = {"alg": "ES256", "kid": "k1", member: value}
    signed = f"{part(header)}.{part(claims(house))}"
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    r, s = decode_dss_signature(attackers.private_key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    forged = f"{signed}.{part(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
    assert (await present(house, forged)).status_code == 401


@proves("attack.jwt-key-by-header")
@pytest.mark.parametrize("kid", ["../../etc/passwd", "' OR 1=1 --", "k1\u0000", "", {"kid": "k1"}, 7])
async def test_a_kid_means_nothing_but_itself(house: House, kid: Any) -> None:
    key = new_key()
    await give_key(house, "service", key)
    forged = f"{part({'alg': 'ES256', 'kid': kid})}.{part(claims(house))}.{part(b'x' * 64)}"
    assert (await present(house, forged)).status_code == 401


@proves("attack.jwt-kind")
async def test_our_own_tokens_are_not_taken_for_one_another(house: House) -> None:
    tokens = await house.tokens_for("web", scope="openid offline_access", audience=None)
    userinfo = await house.http.get("/userinfo", headers={"Authorization": f"Bearer {tokens['id_token']}"})
    assert userinfo.status_code == 401, "an ID token is no access token"
    userinfo = await house.http.get("/userinfo", headers={"Authorization": f"Bearer {tokens['refresh_token']}"})
    assert userinfo.status_code == 401, "a refresh token is no access token"
    form = {"grant_type": "refresh_token", "refresh_token": tokens["access_token"], **house.proof("web")}
    assert (await house.http.post("/oauth/token", data=form)).json()["error"] == "invalid_grant"
    hint = {
        "id_token_hint": tokens["access_token"], "scope": "openid", **house.proof("agent"),
    }  # fmt: skip
    refused = await house.http.post("/bc-authorize", data=hint)
    assert refused.json()["error"] == "invalid_request", "an access token is no ID token"


@proves("attack.jwt-kind")
async def test_a_logout_token_is_no_hint(house: House) -> None:
    web = await house.store.clients.get("web")
    assert web is not None
    logout = await house.machines.mint.logout_token(web, "auth0|ada", "sid")
    refused = await house.http.post(
        "/bc-authorize", data={"id_token_hint": logout, "scope": "openid", **house.proof("agent")}
    )
    assert refused.json()["error"] == "invalid_request"


async def test_a_signature_that_was_touched(house: House) -> None:
    tokens = await house.tokens_for("web", scope="openid", audience=None)
    head, body, signature = tokens["access_token"].split(".")
    for forged in (
        f"{head}.{body}.{signature[:-4]}AAAA",
        f"{head}.{body}.",
        f"{head}.{part({'sub': 'auth0|bob'})}.{signature}",
    ):
        answer = await house.http.get("/userinfo", headers={"Authorization": f"Bearer {forged}"})
        assert answer.status_code == 401
        assert "invalid_token" in answer.headers["www-authenticate"]


async def test_garbage_is_refused_like_anything_else(house: House) -> None:
    await give_key(house, "service", new_key())
    for garbage in ("", "x", "a.b", "a.b.c", "....", "é.é.é", "e30.e30.e30", part({"alg": "ES256"}) + ".W10.AA"):
        answer = await present(house, garbage)
        assert answer.status_code in {400, 401}, garbage
    assert assertion(house, new_key())
