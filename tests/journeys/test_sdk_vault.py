"""The SDK borrows from the real server: each reason why there is no token, and the way out of it that its link is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from tests.fixtures.house import SECRET
from tests.fixtures.vault import Vault

from remit import Client, ConnectRequired, NotAllowed, User, UserAway
from remit_server.vault.lend import lend, take_back


@pytest.fixture
async def ada(vault: Vault) -> AsyncIterator[User]:
    house = vault.house
    async with (
        httpx2.AsyncClient(transport=house.transport) as http,
        Client(house.issuer, "agent", SECRET, http=http, clock=Seconds(vault)) as client,
    ):
        yield await client.on_behalf_of(refresh_token=await vault.refresh_token())


class Seconds:
    """The house's clock, as the SDK wants one."""

    def __init__(self, vault: Vault) -> None:
        self._clock = vault.house.clock

    def now(self) -> float:
        return float(self._clock.at)

    async def sleep(self, seconds: float) -> None:
        self._clock.forward(int(seconds))


async def needs(user: User, reason: str, *scopes: str, account: str | None = None) -> str:
    """Where the person goes."""
    with pytest.raises(ConnectRequired) as needed:
        await user.token("calendar", scopes=scopes, account=account)
    assert needed.value.reason == reason
    assert isinstance(needed.value, UserAway) is (reason == "away")
    assert needed.value.url is not None
    return needed.value.url


async def test_each_reason_and_its_way_out(vault: Vault, ada: User) -> None:
    house, accounts = vault.house, vault.house.issuer + "accounts"
    await vault.follow(await needs(ada, "not_connected", "calendar.read"))
    token = await ada.token("calendar", scopes=["calendar.read"], account="ada@meridian.example")
    assert vault.meridian.authority.bearer(token.reveal(), "calendar.read").id == "mer_ada"
    await needs(ada, "not_connected", account="bob@meridian.example")

    with pytest.raises(NotAllowed):
        await ada.token("calendar", scopes=["calendar.write"])
    await vault.allow("agent", calendar=("calendar.read", "calendar.write"))
    await vault.follow(await needs(ada, "missing_scopes", "calendar.write"))
    assert (await ada.token("calendar", scopes=["calendar.write"])).scopes == {"calendar.write"}

    person, account = await house.store.users.get("auth0|ada"), await vault.account()
    assert person is not None
    await take_back(house.machines, person, account, "agent")
    await house.store.commit(house.store.connected_accounts.limit(account, limited=True))
    assert await needs(ada, "limited") == accounts
    await lend(house.machines, person, account, "agent", away=False)
    assert await ada.token("calendar")

    await house.store.commit(house.store.sessions.end_all(person.id, house.clock.now()))
    assert await needs(ada, "away") == accounts
    await lend(house.machines, person, account, "agent", away=True)
    assert await ada.token("calendar")


async def test_what_the_provider_ended_is_connected_again(vault: Vault, ada: User) -> None:
    await vault.follow(await needs(ada, "not_connected"))
    vault.meridian.authority.withdraw("mer_ada")
    vault.later(300)
    await vault.follow(await needs(ada, "revoked_upstream"))
    assert await ada.token("calendar")
