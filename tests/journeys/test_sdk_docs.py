"""The snippets of docs/sdk.md, run in order against a server, as a reader would paste them together."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.responses import JSONResponse
from tests.journeys.hostile import Hostile, hostile_server, listening, oauth_error

import remit

TEXT = (Path(__file__).parents[2] / "docs" / "sdk.md").read_text()
ORDER = {"side": "buy", "ticker": "ZEKO", "qty": 10}


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[Hostile]:
    async with hostile_server() as running:
        yield running


async def test_every_snippet_runs(server: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMIT_URL", server.issuer)
    monkeypatch.setenv("REMIT_CLIENT_ID", "assistant")
    monkeypatch.setenv("REMIT_CLIENT_SECRET", "s3cret")
    page: dict[str, Any] = {}
    for snippet in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        source = snippet.replace("https://remit.example/", server.issuer)
        exec(compile(source, "docs/sdk.md", "exec"), page)

    server.clock.time = remit.client.SYSTEM.now()
    server.always["/oauth/device/code"] = JSONResponse(
        {"device_code": "d", "user_code": "u", "verification_uri": f"{server.url}/device", "expires_in": 60}
    )
    client, orders = page["client"], {"type": "trade_order", **ORDER}
    user = await page["sign_in"](client)
    assert await page["serve"](client, server.access()) == ("auth0|ada", None, {"trade:write"})

    server.script["/oauth/token"].append(oauth_error("federated_connection_refresh_token_not_found", 401))
    server.always["/events"] = JSONResponse(["lunch"])
    async with httpx2.AsyncClient() as http:
        known = await client.on_behalf_of(server.access())
        assert "/accounts" in await page["events"](known, http, f"{server.url}/events")
        server.script["/oauth/token"].append(server.tokens(token_type="Bearer", scope="calendar.read"))
        assert await page["events"](known, http, f"{server.url}/events") == ["lunch"]

        server.script["/oauth/token"].append(server.tokens(scope="vault:proxy"))
        server.always["/vault/proxy/calendar/events"] = JSONResponse(
            ["lunch"], headers={"Remit-Upstream": "api.example"}
        )
        assert await page["appointments"](known) == ["lunch"]

        late: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await late[0](scope, receive, send)

        async with listening(app) as url:
            late.append(page["broker"](page["verify"], url))
            server.always["/bc-authorize"] = JSONResponse({"auth_req_id": "r", "expires_in": 60, "interval": 5})
            key = client._key
            approved = server.access(jti="t2", cnf={"jkt": key.thumbprint}, authorization_details=[orders])
            server.script["/oauth/token"].append(server.tokens(access_token=approved, authorization_details=[orders]))
            assert await page["buy"](user, http, f"{url}/orders") == {"for": "auth0|ada"}

        server.always["/access/v1/evaluations"] = JSONResponse({"evaluations": [{"decision": True}]})
        assert await page["search"](user, [{"id": 1}]) == [{"id": 1}]

    headers = httpx2.Headers({"authorization": f"Bearer {server.access(authorization_details=[orders])}"})
    assert await page["place_order"](headers, ORDER) == {"for": "auth0|ada", "by": "assistant"}

    def blocking() -> str:
        own = remit.Client()
        try:
            return str(page["sign_in_and_wait"](own).sub)
        finally:
            own.close()

    assert await asyncio.to_thread(blocking) == "auth0|ada"
    await client.aclose()
    await page["verify"].aclose()
