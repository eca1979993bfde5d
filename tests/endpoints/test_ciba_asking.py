"""Other ways to ask: signed requests, hint tokens, and the person's own secret code."""

from __future__ import annotations

import json
import uuid
from typing import Any

import httpx2
import pytest
from joserfc import jwt
from msgspec.structs import replace
from tests.fixtures.asking import ORDER, ask, asked, own_app, waiting
from tests.fixtures.house import BROKER, House
from tests.fixtures.keys import new_key, public

from remit_server.approvals.own_code import choose
from remit_server.errors import InvalidRequest, NotFound

KEY = new_key()
CODE = "violet-otter"


async def changed(house: House, client_id: str = "agent", **members: Any) -> None:
    clients = house.store.clients
    client = await clients.get(client_id)
    assert client is not None
    await house.store.commit(clients.put(replace(client, **members)), wakes=(clients.wake(client_id),))


def signed(house: House, **claims: Any) -> str:
    now = house.clock.now()
    body = {
        "iss": "agent", "aud": house.issuer, "iat": now, "nbf": now, "exp": now + 300, "jti": uuid.uuid4().hex,
        "scope": "openid trade:write", "audience": BROKER, "authorization_details": [ORDER],
        "login_hint": "ada@example.com", "requested_expiry": 900, **claims,
    }  # fmt: skip
    return jwt.encode({"alg": "ES256", "kid": "k1"}, body, KEY)


async def send(house: House, text: str, **beside: str) -> httpx2.Response:
    return await house.http.post("/bc-authorize", data={"request": text, **house.proof("agent"), **beside})


@pytest.fixture
async def signing(house: House) -> House:
    await changed(house, backchannel_authentication_request_signing_alg="ES256", jwks={"keys": [public(KEY)]})
    return house


async def test_a_signed_request(signing: House) -> None:
    answer = await send(signing, signed(signing))
    assert answer.status_code == 200, answer.text
    assert answer.json()["expires_in"] == 900
    (approval,) = await waiting(signing, await own_app(signing))
    assert approval["authorization_details"] == [ORDER]


async def test_a_signed_request_counts_once(signing: House) -> None:
    text = signed(signing)
    assert (await send(signing, text)).status_code == 200
    again = await send(signing, text)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_request")


async def test_nothing_stands_beside_a_signed_request(signing: House) -> None:
    refused = await send(signing, signed(signing), binding_message="Another one")
    assert refused.json()["error"] == "invalid_request"


async def test_who_signs_does_not_ask_unsigned(signing: House) -> None:
    assert (await ask(signing)).json()["error"] == "invalid_request"


async def test_who_is_not_registered_to_sign_does_not(house: House) -> None:
    await changed(house, jwks={"keys": [public(KEY)]})
    assert (await send(house, signed(house))).json()["error"] == "invalid_request"


@pytest.mark.parametrize("requested", [600, "600"])
async def test_requested_expiry_as_number_or_text(signing: House, requested: Any) -> None:
    assert (await send(signing, signed(signing, requested_expiry=requested))).json()["expires_in"] == 600


@pytest.mark.parametrize("requested", [600, "600"])
async def test_requested_expiry_in_json(house: House, requested: Any) -> None:
    body = {"scope": "openid", "login_hint": "ada@example.com", "requested_expiry": requested, **house.proof("agent")}
    answer = await house.http.post("/bc-authorize", json=body)
    assert answer.json()["expires_in"] == 600


async def test_expiry_up_to_thirty_days(house: House) -> None:
    assert (await asked(house, requested_expiry="99999999"))["expires_in"] == 30 * 86400


async def test_a_hint_token(house: House) -> None:
    await changed(house, jwks={"keys": [public(KEY)]})
    hint = signed(house, sub_id={"format": "email", "email": "ada@example.com"})
    answer = await ask(house, login_hint=None, login_hint_token=hint)
    assert answer.status_code == 200, answer.text
    house.clock.forward(400)
    late = await ask(house, login_hint=None, login_hint_token=hint)
    assert (late.status_code, late.json()["error"]) == (400, "expired_login_hint_token")


@pytest.mark.parametrize("extra", [{"login_hint_token": "x"}, {"id_token_hint": "x"}])
async def test_one_hint_and_no_more(house: House, extra: dict[str, str]) -> None:
    assert (await ask(house, **extra)).json()["error"] == "invalid_request"


@pytest.fixture
async def coded(house: House) -> House:
    await changed(house, backchannel_user_code_parameter=True)
    ada = await house.store.users.get("auth0|ada")
    assert ada is not None
    kept = await house.machines.passwords.hash(CODE)
    await house.store.commit(house.store.users.put(replace(ada, backchannel_user_code=kept)))
    return house


async def test_the_persons_own_code(coded: House) -> None:
    assert (await ask(coded, user_code=CODE)).status_code == 200


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({}, "missing_user_code"),
        ({"user_code": "wrong"}, "invalid_user_code"),
        ({"user_code": CODE, "user": "auth0|bob"}, "invalid_user_code"),  # who has chosen none
        ({"user_code": CODE, "user": "auth0|nobody"}, "invalid_user_code"),
        ({"user": "auth0|nobody"}, "missing_user_code"),
    ],
)
async def test_no_code_or_a_wrong_one(coded: House, params: dict[str, str], error: str) -> None:
    refused = await ask(coded, **params)
    assert (refused.status_code, refused.json()["error"]) == (400, error)


async def test_codes_cannot_be_guessed(coded: House) -> None:
    for _ in range(5):
        assert (await ask(coded, user_code="wrong")).json()["error"] == "invalid_user_code"
    assert (await ask(coded, user_code=CODE)).status_code == 429
    coded.clock.forward(900)
    assert (await ask(coded, user_code=CODE)).status_code == 200


async def test_a_person_chooses_a_code(coded: House) -> None:
    machines = coded.machines
    await choose(machines.store, machines.clock, machines.passwords, "bob@example.com", "another-code", by="test")
    assert (await ask(coded, user="auth0|bob", user_code="another-code")).status_code == 200
    (event,) = await coded.events("user.changed")
    assert "another-code" not in str(event)
    with pytest.raises(NotFound):
        await choose(machines.store, machines.clock, machines.passwords, "nobody", "long-enough", by="test")
    with pytest.raises(InvalidRequest):
        await choose(machines.store, machines.clock, machines.passwords, "auth0|bob", "short", by="test")


async def test_a_code_where_none_is_agreed(house: House) -> None:
    assert (await ask(house, user_code=CODE)).json()["error"] == "invalid_request"


async def test_a_client_cannot_register_itself_to_ask(tmp_path: Any) -> None:
    from tests.fixtures.house import built, sqlite

    async with built(sqlite(tmp_path), registration="open") as house:
        asks = {
            "client_name": "Prompter", "redirect_uris": ["https://prompter.example/cb"],
            "backchannel_token_delivery_mode": "ping",
            "backchannel_client_notification_endpoint": "https://prompter.example/ping",
        }  # fmt: skip
        refused = await house.http.post(
            "/oidc/register", json={**asks, "grant_types": ["urn:openid:params:grant-type:ciba"]}
        )
        assert refused.json()["error"] == "invalid_client_metadata"
        taken = await house.http.post("/oidc/register", json=asks)
        assert taken.status_code == 201
        client = await house.store.clients.get(taken.json()["client_id"])
        assert client is not None
        assert client.backchannel_client_notification_endpoint is None, "we call no address that a stranger names"
        assert json.dumps(taken.json()).count("backchannel") == 0
