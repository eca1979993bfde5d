"""``user.vault.client``: calls through a real server, to an API that is played."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.fixtures.house import BROKER, SECRET, Clock, sqlite
from tests.fixtures.proxy import EVERYTHING, TOKEN, Bridge, answer, bridge_on, tap

from remit import Client, ConnectRequired, Misconfigured, NotAllowed, SignInRequired, Unavailable, User
from remit_demo.serving import loopback_socket
from remit_server.records import ProxyRule


@asynccontextmanager
async def agent(tmp_path: Path, *, dpop: Any = "client", **settings: Any) -> AsyncIterator[tuple[Bridge, User]]:
    """Ada's agent, in this process, with a refresh token of hers."""
    bound = loopback_socket()
    async with (
        tap(bound.getsockname()[1]) as wire,
        bridge_on(sqlite(tmp_path), issuer=wire.url, clock=Clock(int(time.time())), **settings) as bridge,
        bridge.live(bound),
        Client(wire.url, "agent", SECRET, dpop=dpop) as client,
    ):
        tokens = await bridge.house.tokens_for("agent", audience=BROKER, scope="openid offline_access trade:write")
        yield bridge, await client.on_behalf_of(refresh_token=tokens["refresh_token"])


@pytest.mark.parametrize("dpop", ["client", "off"])
async def test_one_line(dpop: str, tmp_path: Path) -> None:
    async with agent(tmp_path, dpop=dpop) as (bridge, user), user.vault.client("calendar") as api:
        got = await api.get("/calendars/ada%40example.com/events", params={"max": 2})
        assert got.json()["line"] == "GET /v3/calendars/ada%40example.com/events?max=2 HTTP/1.1"
        assert bridge.api.seen[0].header("authorization") == f"Bearer {TOKEN}"
        await api.get("/again")
        issued = [event for event in await bridge.house.events("token.refreshed") if "vault" in str(event.about["aud"])]
        assert len(issued) == 1, "the agent's own token is kept"
        assert "Vault" in repr(user.vault)


async def test_a_server_that_demands_nonces(tmp_path: Path) -> None:
    async with agent(tmp_path, dpop_nonces=True) as (bridge, user), user.vault.client("calendar") as api:
        assert (await api.post("/a", json={"a": 1})).json()["body"] == '{"a":1}'
        assert len(bridge.api.seen) == 1


async def test_bodies_stream(tmp_path: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * 20_000

    async with agent(tmp_path, dpop="off") as (bridge, user), user.vault.client("calendar") as api:
        async with api.stream("PUT", "/file", content=pieces()) as got:
            assert got.status_code == 200
            await got.aread()
        assert len(bridge.api.seen[0].body) == 200_000


async def test_what_the_provider_says_comes_back_as_it_is(tmp_path: Path) -> None:
    async with agent(tmp_path) as (bridge, user), user.vault.client("calendar") as api:
        for status in ("404 Not Found", "409 Conflict", "500 Oops", "302 Found"):
            bridge.api.replies(answer(status, b"why"))
            got = await api.get("/a")
            assert (got.status_code, got.content) == (int(status[:3]), b"why")


async def test_what_remit_says_is_an_error(tmp_path: Path) -> None:
    async with agent(tmp_path) as (bridge, user):
        async with user.vault.client("calendar", account="bob") as api:
            with pytest.raises(ConnectRequired) as needed:
                await api.get("/a")
            assert needed.value.reason == "not_connected"
            assert "/connect?ticket=" in (needed.value.url or "")
        await bridge.connection(api_base="http://127.0.0.1:1/")
        await bridge.connect("ada", id="there", upstream_id="there", label="there")
        async with user.vault.client("calendar", account="there") as api:
            with pytest.raises(Unavailable):
                await api.get("/a")
            await bridge.change(proxy={"calendar": (ProxyRule(paths=("/a",)),)})
            with pytest.raises(NotAllowed, match="DELETE /a"):
                await api.delete("/a")
            await bridge.change(state="suspended")
            with pytest.raises(SignInRequired):
                await api.get("/a")
        async with user.vault.client("calendar", host="evil.example") as api:
            with pytest.raises((NotAllowed, SignInRequired)):
                await api.get("/a")


@pytest.mark.parametrize(
    "url", ["https://evil.example/a", "http://127.0.0.1:1/vault/proxy/calendar/a", "/../../../oauth/token"]
)
async def test_the_token_goes_nowhere_else(url: str, tmp_path: Path) -> None:
    async with agent(tmp_path) as (bridge, user), user.vault.client("calendar") as api:
        with pytest.raises((Misconfigured, NotAllowed)):
            await api.get(url)
        assert bridge.api.seen == []


async def test_an_api_that_was_called_for_somebody(tmp_path: Path) -> None:
    """All it has is its caller's access token."""
    async with agent(tmp_path) as (bridge, _):
        await bridge.change("broker-api", connections={"calendar": ("calendar.read",)}, proxy={"calendar": EVERYTHING})
        token = (await bridge.house.tokens_for("agent", audience=BROKER, scope="openid trade:write"))["access_token"]
        async with Client(bridge.house.issuer, "broker-api", SECRET, audience=BROKER) as client:
            user = await client.on_behalf_of(token)
            async with user.vault.client("calendar") as api:
                assert (await api.get("/a")).status_code == 200
        async with Client(bridge.house.issuer, "web", SECRET) as client:
            user = await client.on_behalf_of((await bridge.house.tokens_for("web", scope="openid"))["access_token"])
            async with user.vault.client("calendar") as api:
                with pytest.raises((NotAllowed, SignInRequired, httpx2.HTTPError)):
                    await api.get("/a")
