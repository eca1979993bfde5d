"""A thousand exchanges meet one account whose token has run out: the provider is asked once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path

import httpx2
import msgspec
from tests.fixtures.house import SECRET, built
from tests.fixtures.nodes import Running, started
from tests.fixtures.vault import REFRESH, Vault, meridian
from tests.ledger import proves

from remit_server.vault.grants.token_exchange import FEDERATED

EXCHANGES = 1000
PROCESSES = 4


async def one_answer(vault: Vault, asked: list[Awaitable[httpx2.Response]], calls: int) -> None:
    """All get the same token, which works, and there was one refresh since `calls`, counted at the provider."""
    answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {200}
    (token,) = {answer.json()["access_token"] for answer in answers}
    assert vault.meridian.authority.bearer(token, "calendar.read").id == "mer_ada"
    assert vault.meridian.calls() == calls + 1
    happened = Counter([event.kind async for _, event, _ in vault.house.store.trail.everything()])
    assert (happened["vault.refreshed"], happened["vault.exchanged"]) == (1, EXCHANGES)


@proves("vault.one-refresher")
async def test_a_thousand_at_four_processes(postgresql_url: str, tmp_path: Path) -> None:
    clock = Running()
    with meridian(clock) as upstream:
        async with built(postgresql_url, upstream.connection(), clock=clock) as house:
            vault = Vault(house, upstream)
            async with started(postgresql_url, tmp_path, PROCESSES, connections=EXCHANGES // PROCESSES) as nodes:
                await vault.connected()
                form = {
                    "grant_type": FEDERATED, "connection": "calendar", "subject_token_type": REFRESH,
                    "subject_token": await vault.refresh_token(), "client_id": "agent", "client_secret": SECRET,
                }  # fmt: skip
                account = await vault.account()
                over = msgspec.structs.replace(account, access_expires_at=clock.now() - 1)
                await house.store.commit(house.store.connected_accounts.save(over))
                upstream.fail("slow", seconds=1.5)  # long enough that the thousand meet
                calls = upstream.calls()
                asked = [nodes[n % PROCESSES].post("/oauth/token", data=form) for n in range(EXCHANGES)]
                await one_answer(vault, asked, calls)
                assert {answer.status_code for answer in [await node.get("/readyz") for node in nodes]} == {200}


@proves("vault.one-refresher")
async def test_a_thousand_in_one_process(vault: Vault) -> None:
    """On SQLite."""
    await vault.connected()
    token = await vault.refresh_token()
    vault.later(300)
    vault.meridian.fail("slow", seconds=0.5)
    calls = vault.meridian.calls()
    await one_answer(vault, [vault.exchange(subject_token=token) for _ in range(EXCHANGES)], calls)
