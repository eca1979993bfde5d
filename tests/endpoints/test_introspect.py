"""POST /oauth/introspect (RFC 7662), signed on demand (RFC 9701)."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from msgspec.structs import replace
from tests.fixtures.house import BROKER, NOTES, USERINFO, House
from tests.ledger import proves

from remit_server.records import Client

INACTIVE = {"active": False}
SIGNED = "application/token-introspection+jwt"


async def look(house: House, token: str, client: str = "broker-api", **headers: str) -> httpx2.Response:
    form = {"token": token, **house.proof(client)}
    return await house.http.post("/oauth/introspect", data=form, headers=headers)


async def tokens(house: House, **params: Any) -> dict[str, Any]:
    return await house.tokens_for("web", **{"scope": "openid offline_access trade:write", "audience": BROKER, **params})


async def test_what_an_api_sees(any_house: House) -> None:
    house = any_house
    token = (await tokens(house))["access_token"]
    answer = await look(house, token)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    seen = answer.json()
    jti = seen.pop("jti")
    assert jti
    assert seen == {
        "active": True, "iss": house.issuer, "sub": "auth0|ada", "aud": [BROKER, USERINFO], "client_id": "web",
        "scope": "openid offline_access trade:write", "iat": house.clock.now(), "exp": house.clock.now() + 300,
        "token_type": "Bearer",
    }  # fmt: skip


async def test_the_type_hint_does_not_matter(house: House) -> None:
    held = await tokens(house)
    for kind in ("access_token", "refresh_token", "made_up"):
        form = {"token": held["access_token"], "token_type_hint": kind, **house.proof("web")}
        assert (await house.http.post("/oauth/introspect", data=form)).json()["active"]


async def test_a_client_sees_its_own_tokens(house: House) -> None:
    held = await tokens(house)
    refresh = (await look(house, held["refresh_token"], "web")).json()
    assert refresh["active"]
    assert "token_type" not in refresh
    assert (await look(house, held["access_token"], "web")).json()["active"]


@proves("oauth.introspection")
async def test_an_api_takes_no_refresh_token_for_an_access_token(house: House) -> None:
    """An API that asks for nothing but `active` would be open to it for thirty days."""
    held = await tokens(house)
    assert (await look(house, held["refresh_token"])).json() == INACTIVE


@proves("oauth.introspection")
async def test_nobody_else_sees_anything(house: House) -> None:
    held = await tokens(house)
    notes = Client(
        id="notes-api", name="Notes API", kind="api", api=NOTES,
        secrets=(house.machines.peppers.client_secret("a secret that only tests know"),),
    )  # fmt: skip
    await house.store.commit(house.store.clients.put(notes))
    for stranger in ("notes-api", "agent", "service", "stranger"):
        for token in (held["access_token"], held["refresh_token"]):
            assert (await look(house, token, stranger)).json() == INACTIVE, stranger


async def _expire(house: House, _: dict[str, Any]) -> None:
    house.clock.forward(300)


async def _revoke(house: House, held: dict[str, Any]) -> None:
    await house.http.post("/oauth/revoke", data={"token": held["access_token"], **house.proof("web")})


async def _revoke_refresh(house: House, held: dict[str, Any]) -> None:
    await house.http.post("/oauth/revoke", data={"token": held["refresh_token"], **house.proof("web")})


async def _block(house: House, _: dict[str, Any]) -> None:
    ada = await house.store.users.get("auth0|ada")
    assert ada
    await house.store.commit(house.store.users.put(replace(ada, state="blocked")))


async def _forget(house: House, _: dict[str, Any]) -> None:
    await house.store.commit(house.store.users.remove("auth0|ada"))


async def _retire(house: House, _: dict[str, Any]) -> None:
    await house.store.commit(house.store.clients.move("web", was="active", state="retired"))


async def _remove(house: House, _: dict[str, Any]) -> None:
    await house.store.commit(house.store.clients.remove("web"))


@proves("oauth.introspection")
@pytest.mark.parametrize("end", [_expire, _revoke, _revoke_refresh, _block, _forget, _retire, _remove])
async def test_a_dead_token_says_nothing_else(any_house: House, end: Any) -> None:
    house = any_house
    held = await tokens(house)
    assert (await look(house, held["access_token"])).json()["active"]
    await end(house, held)
    assert (await look(house, held["access_token"])).json() == INACTIVE


@proves("oauth.introspection")
@pytest.mark.parametrize("token", ["x", "a.b.c", "\u00e4", "' OR 1=1 --", "x" * 100_000, "eyJhbGciOiJub25lIn0.e30."])
async def test_what_was_never_issued_says_nothing_else(house: House, token: str) -> None:
    answer = await look(house, token)
    assert (answer.status_code, answer.json()) == (200, INACTIVE)


async def test_an_id_token_and_a_touched_token_are_unknown(house: House) -> None:
    held = await tokens(house)
    for token in (held["id_token"], held["access_token"] + "A", held["access_token"][:-1], held["access_token"] + " "):
        assert (await look(house, token, "web")).json() == INACTIVE


@proves("oauth.introspection")
async def test_who_asks_must_prove_itself(house: House) -> None:
    token = (await tokens(house))["access_token"]
    for proof in ({}, {"client_id": "web"}, {"client_id": "web", "client_secret": "wrong"}, {"client_id": "nobody"}):
        answer = await house.http.post("/oauth/introspect", data={"token": token, **proof})
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    answer = await look(house, token, "public")
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await house.http.post("/oauth/introspect", data={"token": token}, headers=bearer)).status_code == 401


async def test_a_token_is_needed(house: House) -> None:
    answer = await house.http.post("/oauth/introspect", data=house.proof("web"))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert (await house.http.get("/oauth/introspect")).status_code == 405


@proves("oauth.introspection")
async def test_a_signed_answer_cannot_be_taken_for_a_token(house: House) -> None:
    held = await tokens(house)
    answer = await look(house, held["access_token"], Accept=SIGNED)
    assert answer.headers["content-type"] == SIGNED
    assert answer.headers["cache-control"] == "no-store"
    keys = KeySet.import_key_set((await house.http.get("/.well-known/jwks.json")).json())
    signed = jwt.decode(answer.text, keys, algorithms=["RS256"])
    assert signed.header["typ"] == "token-introspection+jwt"
    assert signed.claims.keys() == {"iss", "aud", "iat", "token_introspection"}, "no sub, no exp: it is no token"
    assert (signed.claims["iss"], signed.claims["aud"]) == (house.issuer, "broker-api")
    assert signed.claims["token_introspection"] == (await look(house, held["access_token"])).json()
    for header in ({"Authorization": f"Bearer {answer.text}"},):
        assert (await house.http.get("/userinfo", headers=header)).status_code == 401
    dead = await look(house, held["access_token"], "agent", Accept=SIGNED)
    assert jwt.decode(dead.text, keys, algorithms=["RS256"]).claims["token_introspection"] == INACTIVE
    metadata = (await house.http.get("/.well-known/oauth-authorization-server")).json()
    assert metadata["introspection_signing_alg_values_supported"] == ["RS256"]


async def test_a_client_that_may_leave_its_secret_out_has_none(house: House) -> None:
    """The manifest refuses such a record; were there one, it must not count as a client that keeps a secret."""
    service = await house.store.clients.get("service")
    assert service
    await house.store.commit(house.store.clients.change(replace(service, auth_methods=("none", "client_secret_post"))))
    seen = await house.http.post("/oauth/introspect", data={"token": "x", "client_id": "service"})
    assert (seen.status_code, seen.json()["error"]) == (400, "unauthorized_client")
    own = await house.http.post("/oauth/token", data={"grant_type": "client_credentials", "client_id": "service"})
    assert (own.status_code, own.json()["error"]) == (400, "unauthorized_client")
