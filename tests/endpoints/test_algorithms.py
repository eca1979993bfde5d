"""What our tokens are signed with, what an access token says (RFC 9068), and keys that rotate."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import JWKRegistry, KeySet
from tests.fixtures.house import BROKER, USERINFO, House, built, sqlite
from tests.ledger import proves

from remit_server.records import Api, Client, SigningKey
from remit_server.rules.jose import Registry
from remit_server.runtime.signing import ALGORITHMS, Signer, new_signing_key
from remit_server.storage.contract import Busy

DAY = 86400
APIS = [
    Api(identifier=f"https://{alg.lower()}.example", name=alg, scopes={"use": "Use it"}, alg=alg) for alg in ALGORITHMS
]


def reader(house: House) -> Client:
    return Client(
        id="reader", name="Reader", kind="service", grants=("client_credentials",),
        apis={api.identifier: ("use",) for api in APIS}, secrets=(house.machines.peppers.client_secret("secret"),),
    )  # fmt: skip


async def token(house: House, audience: str, client: str = "reader", secret: str = "secret") -> str:
    form = {"grant_type": "client_credentials", "audience": audience, "client_id": client, "client_secret": secret}
    answer = await house.http.post("/oauth/token", data=form)
    assert answer.status_code == 200, answer.text
    value: str = answer.json()["access_token"]
    return value


async def published(house: House) -> KeySet:
    answer: httpx2.Response = await house.http.get("/.well-known/jwks.json")
    return KeySet.import_key_set(answer.json())


def opened(value: str, keys: Any, *algorithms: str) -> jwt.Token:
    return jwt.decode(value, keys, registry=Registry(algorithms=algorithms or ALGORITHMS))


@proves("oauth.algorithms")
@pytest.mark.parametrize("api", APIS, ids=lambda api: api.alg)
async def test_an_api_gets_the_algorithm_it_chose(tmp_path: Path, api: Api) -> None:
    async with built(sqlite(tmp_path), *APIS) as house:
        await house.store.commit(house.store.clients.put(reader(house)))
        got = opened(await token(house, api.identifier), await published(house), api.alg)
        assert got.header.keys() == {"alg", "kid", "typ"}
        assert (got.header["alg"], got.header["typ"]) == (api.alg, "at+jwt")


@proves("oauth.algorithms")
@pytest.mark.parametrize("alg", ALGORITHMS)
async def test_id_tokens_are_signed_as_the_settings_say(tmp_path: Path, alg: str) -> None:
    async with built(sqlite(tmp_path), signing_alg=alg) as house:
        held = await house.tokens_for("web")
        for each, typ in ((held["id_token"], "JWT"), (held["access_token"], "at+jwt")):
            header = opened(each, await published(house), alg).header
            assert (header["alg"], header["typ"]) == (alg, typ)
        document = (await house.http.get("/.well-known/openid-configuration")).json()
        assert document["id_token_signing_alg_values_supported"] == [alg]
        hint = {
            "id_token_hint": held["id_token"],
            "client_id": "web",
            "post_logout_redirect_uri": "https://app.example/",
        }
        assert (await house.http.get("/oidc/logout", params=hint)).status_code == 303, "we take our own tokens back"


@proves("oauth.access-token")
async def test_an_access_token_says_all_that_it_must(any_house: House) -> None:
    house, now = any_house, any_house.clock.now()
    held = await house.tokens_for("web", scope="openid trade:write", audience=BROKER)
    got = opened(held["access_token"], await published(house))
    assert got.header["typ"] == "at+jwt"
    jti, sid = got.claims.pop("jti"), got.claims.pop("sid")
    assert jti
    assert sid
    assert got.claims == {
        "iss": house.issuer, "sub": "auth0|ada", "aud": [BROKER, USERINFO], "client_id": "web", "azp": "web", "iat": now,
        "exp": now + 300, "scope": "openid trade:write", "auth_time": now, "acr": "urn:remit:acr:1fa", "amr": ["pwd"],
    }  # fmt: skip
    other = opened((await house.tokens_for("web", audience=BROKER))["access_token"], await published(house))
    assert other.claims["jti"] != jti


@proves("oauth.access-token")
async def test_a_client_of_its_own_is_its_own_subject(house: House) -> None:
    value = await token(house, BROKER, "service", "a secret that only tests know")
    claims = opened(value, await published(house)).claims
    assert {"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} <= claims.keys()
    assert claims["sub"] == "service@clients", "never the id of a person (RFC 9068 section 5)"
    assert not {"auth_time", "acr", "sid", "email"} & claims.keys()


async def test_a_token_for_several_apis_lives_as_long_as_the_strictest_allows(tmp_path: Path) -> None:
    short = Api(identifier="https://short.example", name="Short", scopes={"use": "Use it"}, lifetime=60)
    async with built(sqlite(tmp_path), *APIS, short) as house:
        client = reader(house)
        client.apis[short.identifier] = ("use",)
        await house.store.commit(house.store.clients.put(client))
        form = {
            "grant_type": "client_credentials", "resource": [APIS[0].identifier, short.identifier], "client_id": "reader",
            "client_secret": "secret",
        }  # fmt: skip
        answer = (await house.http.post("/oauth/token", data=form)).json()
        assert answer["expires_in"] == 60
        claims = opened(answer["access_token"], await published(house)).claims
        assert claims["exp"] - claims["iat"] == 60


async def test_the_jwks_holds_public_halves_only(house: House) -> None:
    answer = await house.http.get("/.well-known/jwks.json")
    assert answer.headers["content-type"] == "application/json"
    keys = answer.json()["keys"]
    assert sorted(key["alg"] for key in keys) == sorted(ALGORITHMS)
    for key in keys:
        assert key["use"] == "sig"
        assert key["kid"] == JWKRegistry.import_key(key).thumbprint()
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & key.keys()


@proves("run.keys-rotate")
@pytest.mark.parametrize("alg", ALGORITHMS)
async def test_after_a_rotation_tokens_of_both_keys_verify(tmp_path: Path, alg: str) -> None:
    api = next(api for api in APIS if api.alg == alg)
    async with built(sqlite(tmp_path), *APIS) as house:
        await house.store.commit(house.store.clients.put(reader(house)))
        old = await token(house, api.identifier)
        kid = await house.machines.keys.rotate(alg)
        new = await token(house, api.identifier)
        keys = await published(house)
        assert opened(new, keys).header["kid"] == kid != opened(old, keys).header["kid"]
        assert len(keys.keys) == len(ALGORITHMS) + 1


@proves("run.keys-rotate")
async def test_a_retired_key_leaves_when_nothing_of_it_can_be_alive(any_house: House) -> None:
    house = any_house
    old = opened(await token(house, BROKER, "service", "a secret that only tests know"), await published(house)).header[
        "kid"
    ]
    await house.machines.keys.rotate("RS256")
    house.clock.forward(DAY - 1)
    assert old in {key.kid for key in (await published(house)).keys}
    house.clock.forward(1)
    assert old not in {key.kid for key in (await published(house)).keys}


async def test_news_of_a_rotation_that_could_not_be_read_is_not_forgotten(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else this node would go on for ever with a JWKS that lacks what the others sign with."""
    before = await published(house)
    await house.machines.keys.rotate("RS256")

    async def away() -> list[SigningKey]:
        raise Busy("the database is away")

    with monkeypatch.context() as broken:
        broken.setattr(house.store.signing_keys, "all", away)
        assert (await house.http.get("/.well-known/jwks.json")).status_code == 503
    assert len((await published(house)).keys) == len(before.keys) + 1


@proves("run.keys-rotate")
async def test_a_hint_of_the_old_key_is_understood(house: House) -> None:
    held = await house.tokens_for("agent")
    await house.machines.keys.rotate("RS256")
    form = {"scope": "openid", "id_token_hint": held["id_token"], **house.proof("agent")}
    assert (await house.http.post("/bc-authorize", data=form)).status_code == 200


@cache
def signer(alg: str) -> tuple[Signer, KeySet]:
    key = new_signing_key(alg, 0)
    public = JWKRegistry.import_key(key.jwk).as_dict(private=False)
    return Signer(key), KeySet.import_key_set({"keys": [{**public, "kid": key.kid}]})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab\u00e9\u4e2d\U0001f600"), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@proves("oauth.algorithms")
@given(
    alg=st.sampled_from(ALGORITHMS),
    typ=st.sampled_from(["at+jwt", "JWT", "logout+jwt", "token-introspection+jwt"]),
    claims=st.dictionaries(st.text("abcxyz_\u00fc", min_size=1, max_size=8), JSON, max_size=5),
)
@settings(max_examples=150, deadline=None)
def test_what_we_sign_by_hand_another_library_opens(alg: str, typ: str, claims: dict[str, Any]) -> None:
    ours, public = signer(alg)
    value = ours.sign(typ, claims)
    got = opened(value, public, alg)
    assert got.claims == claims
    assert got.header == {"alg": alg, "kid": ours.kid, "typ": typ}
    head, body, signature = value.split(".")
    assert "=" not in value
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    with pytest.raises(BadSignatureError):
        opened(f"{head}.{body}.{flipped}", public, alg)
