"""npm oidc-provider 9.13.3 as the upstream of the vault: an authorization server that nobody here wrote."""

from __future__ import annotations

import asyncio
import contextlib
import json
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import httpx2
import msgspec
import pytest
from tests.fixtures.house import ISSUER, Clock, House, built, sqlite
from tests.fixtures.vault import ACCESS, REFRESH
from tests.ledger import proves
from tests.needs import need

from remit_server.records import Client, ConnectedAccount, Connection
from remit_server.vault.grants.token_exchange import RFC_8693

pytestmark = [pytest.mark.node, proves("interop.oidc-provider-upstream")]

CALLBACK = f"{ISSUER}connect/callback/upstream"
SCOPES = ("openid", "email", "offline_access")
HERE = Path(__file__).parent


@dataclass
class Joined:
    """The house, the upstream, and Ada's agent."""

    house: House
    upstream: str
    token: str

    async def exchange(self) -> httpx2.Response:
        form = {
            "grant_type": RFC_8693, "connection": "upstream", "subject_token": self.token, "subject_token_type": REFRESH,
            "requested_token_type": ACCESS, **self.house.proof("agent"),
        }  # fmt: skip
        return await self.house.http.post("/oauth/token", data=form)

    async def connect(self, link: str) -> None:
        """Ada follows a connect link; the upstream asks her nothing."""
        browser = await self.house.sign_in("ada")
        await browser.get(link)
        await browser.submit(press=("answer", "continue"))
        there = browser.page.text.partition("url=")[2].partition('"')[0].replace("&amp;", "&")
        async with httpx2.AsyncClient() as http:
            while not there.startswith(CALLBACK):
                answer = await http.get(there)
                assert answer.is_redirect, answer.text
                there = urljoin(str(answer.request.url), answer.headers["location"])
        await browser.get(there)
        assert "is connected" in browser.page.text, browser.page.text

    async def account(self) -> ConnectedAccount:
        (found,) = await self.house.store.connected_accounts.of_user("auth0|ada")
        return found

    async def userinfo(self, token: str) -> httpx2.Response:
        async with httpx2.AsyncClient() as http:
            return await http.get(f"{self.upstream}/me", headers={"Authorization": f"Bearer {token}"})

    async def spend(self, refresh_token: str) -> httpx2.Response:
        """Somebody else presents a refresh token there."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        async with httpx2.AsyncClient() as http:
            return await http.post(f"{self.upstream}/token", data=form, auth=("remit", "s3cret"))


@contextlib.asynccontextmanager
async def oidc_provider() -> AsyncIterator[str]:
    """Its issuer."""
    need("node-clients")
    given = json.dumps({"client": "remit", "secret": "s3cret", "redirect_uri": CALLBACK})
    script = str(HERE / "node" / "provider.mjs")
    process = await asyncio.create_subprocess_exec(need("node"), script, given, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            line = await process.stdout.readline()
        assert line, (await process.communicate())[1].decode()
        yield json.loads(line)["issuer"]
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.communicate(), 5)
        except TimeoutError:
            process.kill()
            await process.wait()


@pytest.fixture
async def joined(tmp_path: Path) -> AsyncIterator[Joined]:
    clock = Clock()
    async with oidc_provider() as issuer:
        upstream = Connection(
            name="upstream", provider="oidc", issuer=issuer, client_id="remit", client_secret="s3cret", scopes=SCOPES,
            authorization_params={"prompt": "consent"},  # without it there is no offline_access there (OIDC Core 11)
        )  # fmt: skip
        async with built(sqlite(tmp_path), upstream, clock=clock) as house:
            agent = await house.store.clients.get("agent")
            assert isinstance(agent, Client)
            borrows = msgspec.structs.replace(agent, connections={"upstream": SCOPES})
            await house.store.commit(house.store.clients.put(borrows))
            tokens = await house.tokens_for("agent", scope="openid profile offline_access")
            joined = Joined(house, issuer, tokens["refresh_token"])
            await joined.connect((await joined.exchange()).json()["connect_uri"])
            yield joined


async def test_connect_and_borrow(joined: Joined) -> None:
    account = await joined.account()
    assert (account.upstream_id, account.label) == ("ada", "ada@upstream.example")
    lent = (await joined.exchange()).json()
    assert (await joined.userinfo(lent["access_token"])).json()["sub"] == "ada"


async def test_refresh_with_rotation(joined: Joined) -> None:
    seen = set()
    for _ in range(3):
        before = await joined.account()
        joined.house.clock.forward(4000)
        answer = await joined.exchange()
        assert answer.status_code == 200, answer.text
        after = await joined.account()
        assert after.refresh_token != before.refresh_token
        assert (await joined.userinfo(answer.json()["access_token"])).status_code == 200
        seen.add(after.refresh_token)
    assert len(seen) == 3


async def test_a_refresh_token_that_was_spent_elsewhere_says_reconnect(joined: Joined) -> None:
    account = await joined.account()
    assert account.refresh_token is not None
    assert (await joined.spend(account.refresh_token)).status_code == 200
    joined.house.clock.forward(4000)
    refused = await joined.exchange()
    assert refused.json()["error"] == "federated_connection_refresh_token_flow_failed"
    assert (await joined.account()).state == "reconnect"
    await joined.connect(refused.json()["connect_uri"])
    after = await joined.account()
    assert (after.id, after.state) == (account.id, "ok")
    assert (await joined.exchange()).status_code == 200


async def test_disconnect_revokes_there(joined: Joined) -> None:
    lent = (await joined.exchange()).json()
    account = await joined.account()
    browser = await joined.house.sign_in("ada")
    await browser.get("/accounts")
    await browser.post(f"/accounts/{account.id}/disconnect", dict(browser.form.fields))
    assert await joined.house.store.connected_accounts.of_user("auth0|ada") == []
    (told,) = await joined.house.events("vault.disconnected")
    assert told.about["upstream_confirmed"] is True
    assert (await joined.userinfo(lent["access_token"])).status_code == 401
    assert account.refresh_token is not None
    assert (await joined.spend(account.refresh_token)).json()["error"] == "invalid_grant"
