"""The device flow at its endpoints (RFC 8628); its pages are tested in tests/pages."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from msgspec.structs import replace
from tests.fixtures.asking import DEVICE
from tests.fixtures.house import BROKER, House

from remit_server.approvals.answer import Answer, Authentication, answer, claim
from remit_server.errors import Conflict
from remit_server.rules import user_code


async def start(house: House, client: str = "public", **params: Any) -> httpx2.Response:
    form = {"scope": "openid profile offline_access", "audience": BROKER, **house.proof(client), **params}
    return await house.http.post("/oauth/device/code", data=form)


async def poll(house: House, code: str, client: str = "public") -> httpx2.Response:
    form = {"grant_type": DEVICE, "device_code": code, **house.proof(client)}
    return await house.http.post("/oauth/token", data=form)


async def allow(house: House, code: str, user: str = "auth0|ada", outcome: Any = "approved") -> None:
    """What the page does once a person has signed in, entered the code and pressed Allow."""
    typed = user_code.normalised(code)
    approval = await house.store.approvals.by_user_code(house.machines.peppers.mac("user code", typed or ""))
    person = await house.store.users.get(user)
    assert approval and person
    claimed = await claim(house.machines, approval, person)
    said = Answer(outcome=outcome, version=claimed.version, digest=claimed.digest)
    await answer(house.machines, claimed, person, said, Authentication(auth_time=house.clock.now(), amr=("pwd",)))


async def test_start(house: House) -> None:
    body = (await start(house)).json()
    assert body["verification_uri"] == house.issuer + "device"
    assert body["verification_uri_complete"] == f"{house.issuer}device?user_code={body['user_code']}"
    assert (body["expires_in"], body["interval"]) == (600, 5)
    assert set(body["user_code"]) <= set(user_code.ALPHABET + "-")


async def test_allowed(any_house: House) -> None:
    house = any_house
    body = (await start(house)).json()
    assert (await poll(house, body["device_code"])).json()["error"] == "authorization_pending"
    await allow(house, body["user_code"])
    house.clock.forward(6)
    tokens = (await poll(house, body["device_code"])).json()
    assert {"access_token", "id_token", "refresh_token"} <= tokens.keys()
    seen = await house.http.get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert seen.json()["sub"] == "auth0|ada"
    assert (await poll(house, body["device_code"])).json()["error"] == "invalid_grant"


async def test_denied(house: House) -> None:
    body = (await start(house)).json()
    await allow(house, body["user_code"], outcome="denied")
    assert (await poll(house, body["device_code"])).json()["error"] == "access_denied"


async def test_expired(house: House) -> None:
    body = (await start(house)).json()
    house.clock.forward(601)
    assert (await poll(house, body["device_code"])).json()["error"] == "expired_token"
    with pytest.raises(Conflict):
        await allow(house, body["user_code"])


async def test_a_code_belongs_to_who_entered_it_first(house: House) -> None:
    body = (await start(house)).json()
    approval = await house.store.approvals.by_user_code(
        house.machines.peppers.mac("user code", body["user_code"].replace("-", ""))
    )
    ada, bob = await house.store.users.get("auth0|ada"), await house.store.users.get("auth0|bob")
    assert approval and ada and bob
    await claim(house.machines, approval, ada)
    with pytest.raises(Conflict):
        await claim(house.machines, approval, bob)


async def test_another_client_cannot_fetch_it(house: House) -> None:
    body = (await start(house)).json()
    await allow(house, body["user_code"])
    assert (await poll(house, body["device_code"], client="agent")).json()["error"] == "invalid_grant"
    assert (await poll(house, body["device_code"])).status_code == 200


@pytest.mark.parametrize(
    ("client", "params", "error"),
    [
        ("web", {}, "unauthorized_client"),
        ("public", {"authorization_details": "[]"}, "invalid_request"),
        ("public", {"audience": "https://unknown.example"}, "invalid_target"),
        ("agent", {"client_secret": "wrong"}, "invalid_client"),
        ("public", {"client_id": "nobody"}, "invalid_client"),
    ],
)
async def test_bad_requests(house: House, client: str, params: dict[str, str], error: str) -> None:
    assert (await start(house, client, **params)).json()["error"] == error


async def test_a_ciba_handle_is_no_device_code(house: House) -> None:
    from tests.fixtures.asking import asked

    request = await asked(house)
    assert (await poll(house, request["auth_req_id"], client="agent")).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("bcdf-ghjk", "BCDFGHJK"),
        (" BCDF GHJK ", "BCDFGHJK"),
        ("bcdf–ghjk", "BCDFGHJK"),
        ("BCDF", None),
        ("AEIOUYAE", None),
        ("", None),
    ],
)
def test_what_people_type(typed: str, code: str | None) -> None:
    assert user_code.normalised(typed) == code


async def test_no_device_answers_approvals(house: House) -> None:
    """A code that somebody sends Ada must not make them answer for her, whatever app they start it with."""
    public = await house.store.clients.get("public")
    assert public
    await house.store.commit(house.store.clients.change(replace(public, first_party=True)))
    me = house.issuer + "me/"
    refused = await start(house, audience=me, scope="openid answer:me:approvals")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")
    assert (await start(house, audience=me, scope="openid read:me:approvals")).status_code == 200
