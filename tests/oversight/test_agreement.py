"""The one door asks whether the person agreed, whatever has been settled before."""

from __future__ import annotations

from typing import Any

import httpx2
import msgspec
import pytest
from msgspec.structs import replace
from tests.fixtures.house import BROKER, NOTES, House
from tests.ledger import proves

from remit_server.records import Grant
from remit_server.runtime.ports import Act, Deny, Permit
from remit_server.storage.contract import Step
from remit_server.storage.sql import tables
from remit_server.storage.sql.statements import Update

AGREED = Grant(id="g", client_id="web", user_id="auth0|ada", audiences=(BROKER,), scopes=("openid", "trade:write"))


async def decided(house: House, client: str = "web", **more: Any) -> Permit | Deny:
    who, user = await house.store.clients.get(client), await house.store.users.get("auth0|ada")
    assert who
    act = {"kind": "token", "client": who, "user": user, "grant": AGREED, "audiences": (BROKER,), **more}
    decision = await house.machines.decide(Act(**act))
    assert isinstance(decision, Permit | Deny)
    return decision


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"grant": None}, "nobody agreed"),
        ({"scopes": ("portfolio:read",)}, "scope"),
        ({"audiences": (BROKER, NOTES)}, "audience"),
        ({"client": "agent"}, "another client's"),
    ],
)
@proves("door.agreement")
async def test_a_token_beyond_the_agreement_is_refused(house: House, more: dict[str, Any], why: str) -> None:
    assert isinstance(await decided(house), Permit)
    refused = await decided(house, **more)
    assert isinstance(refused, Deny)
    assert refused.why == ("agreement", why)


@proves("door.agreement")
async def test_only_an_app_of_the_organisation_reaches_further_and_where_nobody_would_be_asked(house: House) -> None:
    me, notes = house.issuer + "me/", replace(AGREED, audiences=(NOTES,))
    assert isinstance(await decided(house, grant=notes, scopes=("portfolio:read",)), Permit)
    assert isinstance(await decided(house, audiences=(me,), scopes=("read:me:approvals",)), Permit)
    assert isinstance(await decided(house, audiences=(NOTES,), scopes=("notes:read",)), Deny)
    for audience in (BROKER, me):
        strangers = replace(notes, client_id="stranger")
        assert isinstance(await decided(house, "stranger", grant=strangers, audiences=(audience,)), Deny)


@proves("door.agreement")
async def test_every_grant_brings_its_agreement_to_the_door(any_house: House) -> None:
    """The agreement shrinks behind the tokens that hang on it: neither a code nor a refresh brings the rest."""
    house = any_house
    held = await house.tokens_for("web", scope="openid offline_access trade:write", audience=BROKER)
    code = await house.code_for("web", scope="openid trade:write", audience=BROKER)
    for grant in await house.store.grants.of_user("auth0|ada"):
        await shrink(house, replace(grant, scopes=("openid",)))
    form = {"grant_type": "refresh_token", "refresh_token": held["refresh_token"], **house.proof("web")}
    for answer in (await house.http.post("/oauth/token", data=form), await house.redeem(code)):
        assert refused(answer)


async def shrink(house: House, grant: Grant) -> None:
    body = Update(tables.GRANTS, set="body = :body", where="grants.id = :id")
    await house.store.commit(Step(body, {"id": grant.id, "body": msgspec.json.encode(grant)}))


def refused(answer: httpx2.Response) -> bool:
    return (answer.status_code, answer.json()["error"]) == (400, "access_denied")
