"""What a person wishes, through an app of the organisation's own."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from tests.fixtures.house import House, built
from tests.ledger import proves

from remit_server.records import Organisation, PushSubscription
from remit_server.runtime.ports import Act, Permit

ADA, URL = "auth0|ada", "/me/v1/notifications"
CHANNELS = {
    "email": {"smtp": "smtp://127.0.0.1", "from": "remit@example.com"},
    "ntfy": {"server": "https://ntfy.example", "token": "tk_hush"},
}


async def app(house: House, *scopes: str, client: str = "web", user: str = ADA) -> dict[str, str]:
    person, found = await house.store.users.get(user), await house.store.clients.get(client)
    assert person and found
    act = Act(kind="token", client=found, user=person, audiences=(house.machines.settings.url("/me/"),), scopes=scopes)
    issued = await house.machines.mint.access_token(Permit(act=act))
    await house.store.commit(house.store.tokens.add(issued.token))
    return {"Authorization": f"Bearer {issued.value}"}


async def both(house: House, **who: str) -> dict[str, str]:
    return await app(house, "read:me:notifications", "update:me:notifications", **who)


async def test_wishes_are_kept(database_url: str) -> None:
    async with built(database_url, Organisation(channels=CHANNELS)) as house:
        ada = await both(house)
        got = (await house.http.get(URL, headers=ada)).json()
        assert got == {
            "ways": ["web_push", "email"], "available": ["ntfy", "email"], "private": False, "quiet": None,
            "time_zone": "UTC", "browsers": [],
        }  # fmt: skip
        wished = {"ways": ["ntfy", "email"], "private": True, "quiet": ["22:00", "07:00"], "time_zone": "Europe/Rome"}
        put = await house.http.put(URL, json=wished, headers=ada)
        assert put.status_code == 200
        assert wished.items() <= put.json().items()
        topic = put.json()["ntfy"]["topic"]
        assert len(topic) >= 40
        assert "tk_hush" not in put.text
        again = (await house.http.put(URL, json={"ways": ["ntfy"]}, headers=ada)).json()
        assert again["ntfy"]["topic"] == topic, "a phone that follows it goes on"
        assert (await house.http.get(URL, headers=ada)).json() == again
        bob = (await house.http.get(URL, headers=await both(house, user="auth0|bob"))).json()
        assert bob["ways"] == ["web_push", "email"]
        (event, _) = await house.events("notifications.changed")
        assert topic not in str(event)


@pytest.mark.parametrize(
    "body",
    [
        {"ways": ["fax"]}, {"ways": ["email", "email"]}, {"time_zone": "Mars/Olympus"}, {"time_zone": "../../etc/passwd"},
        {"time_zone": "Europe"}, {"quiet": ["22:00"]}, {"quiet": ["25:00", "07:00"]}, {"topic": "mine"}, {"user_id": "x"}, [],
    ],
)  # fmt: skip
async def test_what_cannot_be_wished(house: House, body: Any) -> None:
    refused = await house.http.put(URL, json=body, headers=await both(house))
    assert refused.status_code == 400, refused.text
    assert refused.json()["error"] == "invalid_request"


@proves("channels.own")
async def test_no_agent_changes_how_a_person_is_told(house: House) -> None:
    async def status(headers: dict[str, str], method: str = "GET") -> int:
        sent: httpx2.Response = await house.http.request(
            method, URL, headers=headers, json={} if method == "PUT" else None
        )
        return sent.status_code

    assert await status({}) == 401
    assert await status(await both(house, client="agent")) == 403
    assert await status(await both(house, client="stranger")) == 403
    assert await status(await app(house, "read:me:notifications"), "PUT") == 403
    assert await status(await app(house, "read:me:approvals")) == 403


async def test_a_browser_is_its_persons_to_remove(any_house: House) -> None:
    house = any_house
    await house.store.commit(
        house.store.push_subscriptions.put(
            PushSubscription(
                id="b1",
                user_id=ADA,
                endpoint="https://push.example/secret",
                p256dh="k",
                auth="hush",
                device="Fox",
                created_at=1,
            )
        )
    )
    shown = await house.http.get(URL, headers=await both(house))
    assert shown.json()["browsers"] == [{"id": "b1", "device": "Fox", "created_at": 1}]
    assert "hush" not in shown.text
    assert "push.example" not in shown.text
    bob = await both(house, user="auth0|bob")
    assert (await house.http.delete(f"{URL}/b1", headers=bob)).status_code == 404
    ada = await both(house)
    assert (await house.http.delete(f"{URL}/b1", headers=ada)).status_code == 204
    assert (await house.http.delete(f"{URL}/b1", headers=ada)).status_code == 404
