"""Accounts that are used with a key or a password: typed once, tried, sealed, and never lent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.fixtures.house import House, built, sqlite
from tests.fixtures.quirks import Quirky, quirky
from tests.ledger import proves

from remit_server.errors import NotFound, TooManyRequests
from remit_server.records import ConnectedAccount, Connection, User
from remit_server.records.provider import AccountLookup, Field
from remit_server.rules.connection import Reconnect, plan
from remit_server.vault import connect, keyed

KEY = "sk_live_0123456789abcdefwxyz"


@pytest.fixture(scope="module")
def serving() -> Iterator[Quirky]:
    with quirky() as provider:
        yield provider


@pytest.fixture
def provider(serving: Quirky) -> Quirky:
    serving.asked.clear()
    serving.says("GET /me", {"id": "acct_1", "email": "ada@stripe.example"})
    return serving


@pytest.fixture
async def house(tmp_path: Path, provider: Quirky) -> AsyncIterator[House]:
    lookup = AccountLookup(id="id", label="email", url=f"{provider.url}/me")
    key = Field(name="key", title="API key", secret=True, pattern="^sk_[a-z0-9_]+$")
    shared: dict[str, Any] = {"api_base": f"{provider.url}/", "display_name": "Stripe"}
    stripe = Connection(name="stripe", provider="stripe", kind="api_key", fields=(key,), account=lookup, **shared)
    mute = Connection(name="mute", provider="api_key", kind="api_key", fields=(key,), **shared)
    both = (Field(name="email", title="E-mail address"), Field(name="token", title="API token", secret=True))
    desk = Connection(name="desk", provider="zendesk", kind="basic", fields=both, account=lookup, **shared)
    async with built(sqlite(tmp_path), stripe, mute, desk) as house:
        yield house


async def ada(house: House) -> User:
    user = await house.store.users.get("auth0|ada")
    assert user is not None
    return user


async def begun(house: House, connection: str = "stripe") -> connect.Opened:
    user = await ada(house)
    link = await connect.begin(house.machines, user, connection)
    return await connect.opened(house.machines, link.ticket, user)


async def typed(house: House, open_: connect.Opened, **values: str) -> ConnectedAccount:
    account, code = await keyed.typed(house.machines, open_, connect.Chosen(), values)
    assert code is None
    return account


async def test_a_key_is_tried_and_kept(house: House, provider: Quirky) -> None:
    account = await typed(house, await begun(house), key=f"  {KEY} ")
    assert provider.last.headers["authorization"] == f"Bearer {KEY}"
    (kept,) = await house.store.connected_accounts.of_user("auth0|ada")
    assert (kept.id, kept.label, kept.upstream_id) == (account.id, "ada@stripe.example", "acct_1")
    assert kept.credentials == {"key": KEY}
    (event,) = await house.events("vault.connected")
    assert KEY not in str(event)


async def test_a_name_and_a_password(house: House, provider: Quirky) -> None:
    await typed(house, await begun(house, "desk"), email="ada@a.example", token="tok", more="not asked for")
    (kept,) = await house.store.connected_accounts.of_user("auth0|ada")
    assert kept.credentials == {"email": "ada@a.example", "token": "tok"}


async def test_where_nobody_can_be_asked_the_end_of_the_key_tells_it_apart(house: House, provider: Quirky) -> None:
    account = await typed(house, await begun(house, "mute"), key=KEY)
    assert (account.label, account.upstream_id) == ("…wxyz", None)
    assert provider.asked == []


@pytest.mark.parametrize("status", [401, 403])
async def test_a_key_that_is_refused_can_be_typed_again(house: House, provider: Quirky, status: int) -> None:
    open_ = await begun(house)
    provider.says("GET /me", {"error": f"no such key {KEY}"}, status)
    with pytest.raises(keyed.Mistyped) as raised:
        await typed(house, open_, key=KEY)
    assert raised.value.fields == {"key": "Stripe does not accept this."}
    assert KEY not in repr(raised.value) + str(raised.value.detail)
    provider.says("GET /me", {"id": "acct_1"})
    assert (await typed(house, open_, key=KEY)).upstream_id == "acct_1"


async def test_what_does_not_look_right_is_not_sent(house: House, provider: Quirky) -> None:
    open_ = await begun(house)
    for value in ("", "pk_live_1", "sk_1\r\nX: y", "sk_" + "a" * 5000):
        with pytest.raises(keyed.Mistyped):
            await typed(house, open_, key=value)
    assert provider.asked == []


async def test_a_provider_in_trouble_is_not_taken_for_a_refusal(house: House, provider: Quirky) -> None:
    provider.says("GET /me", {}, 500)
    with pytest.raises(connect.NotConnectedHere, match="could not be asked"):
        await typed(house, await begun(house), key=KEY)
    assert not await house.store.connected_accounts.of_user("auth0|ada")


@proves("vault.keys-are-not-lent")
async def test_keys_cannot_be_tried_out_here(house: House, provider: Quirky) -> None:
    open_ = await begun(house)
    provider.says("GET /me", {}, 401)
    for number in range(10):
        with pytest.raises(keyed.Mistyped):
            await typed(house, open_, key=f"sk_{number}")
    with pytest.raises(TooManyRequests):
        await typed(house, open_, key=KEY)
    assert len(provider.asked) == 10


async def test_a_flow_is_used_once(house: House) -> None:
    open_ = await begun(house)
    await typed(house, open_, key=KEY)
    with pytest.raises(NotFound):
        await typed(house, open_, key=KEY)


async def test_connecting_again_replaces_the_key(house: House, provider: Quirky) -> None:
    first = await typed(house, await begun(house), key=KEY)
    second = await typed(house, await begun(house), key="sk_new")
    assert second.id == first.id
    (kept,) = await house.store.connected_accounts.of_user("auth0|ada")
    assert kept.credentials == {"key": "sk_new"}


@proves("vault.keys-are-not-lent")
async def test_no_agent_borrows_a_key(house: House) -> None:
    account = await typed(house, await begun(house), key=KEY)
    assert isinstance(plan(account, (), may=frozenset(), now=house.clock.now()), Reconnect)
    agent = await house.store.clients.get("agent")
    assert agent is not None
    await house.store.commit(house.store.clients.put(msgspec.structs.replace(agent, connections={"stripe": ()})))
    tokens = await house.tokens_for("agent", scope="openid offline_access")
    answer = await house.http.post("/oauth/token", data={
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "connection": "stripe",
        "subject_token": tokens["refresh_token"], "subject_token_type": "urn:ietf:params:oauth:token-type:refresh_token",
        **house.proof("agent"),
    })  # fmt: skip
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")
    assert KEY not in answer.text


@proves("vault.keys-are-not-lent")
async def test_what_was_typed_lies_sealed(house: House, tmp_path: Path) -> None:
    await typed(house, await begun(house), key=KEY)
    await house.store.trail.latest(limit=1)
    assert not [name for name, content in files(tmp_path) if KEY.encode() in content]


def files(folder: Path) -> list[tuple[str, bytes]]:
    return [(file.name, file.read_bytes()) for file in folder.rglob("*") if file.is_file()]
