"""`kill -9` of the refresher at every step: afterwards the account works, or says truly that it must be connected again."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from tests.fixtures.house import sqlite
from tests.fixtures.vault import Vault
from tests.ledger import proves

from remit_server.vault.refresh import LEASE

LOST_ANSWER = (
    "The provider's answer to an earlier renewal never arrived, and it does not accept the older key any more."
)

HARMLESS = ("before the lease", "before sending", "under way", "after writing")
"""Nothing was spent yet, or all is kept."""
SPENT = ("answer arriving", "before writing")
"""The provider has rotated, and nobody has the new refresh token."""


async def killed(vault: Vault, database: str, step: str, *, after: float = 0) -> None:
    """Start a process that renews Ada's account; kill it at this step, or some seconds after it begins to send."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.races.refresher_process",
        database, str(vault.house.clock.at), "auth0|ada", step, stdout=PIPE, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert process.stdout is not None
    until = step if step.startswith(("before", "after")) else "sending"
    async with asyncio.timeout(30):
        while (line := (await process.stdout.readline()).decode().strip()) != until:
            assert line, "it ended by itself"
    await asyncio.sleep(after)
    if process.returncode is None:
        process.kill()
    await process.communicate()
    assert process.returncode in {-signal.SIGKILL, 0}


async def run_out(vault: Vault) -> str:
    await vault.connected()
    await vault.refresh_token()
    vault.later(300)
    id_: str = (await vault.account()).id
    return id_


@proves("vault.never-silently-dead")
@pytest.mark.parametrize("step", [*HARMLESS, *SPENT])
async def test_at_every_step(any_vault: Vault, database_url: str, step: str) -> None:
    vault = any_vault
    id_ = await run_out(vault)
    match step:
        case "under way":
            vault.meridian.fail("hang", seconds=1)
            await killed(vault, database_url, step, after=0.2)
        case "answer arriving":
            vault.meridian.fail("drip", seconds=2)
            await killed(vault, database_url, step, after=0.5)
        case _:
            await killed(vault, database_url, step)
    vault.later(LEASE)
    answer = await vault.exchange()
    if step in HARMLESS:
        assert answer.status_code == 200, answer.text
        assert vault.meridian.authority.bearer(answer.json()["access_token"], None).id == "mer_ada"
        return
    assert answer.json()["error"] == "federated_connection_refresh_token_flow_failed"
    broken = await vault.account()
    assert (broken.state, broken.cause) == ("reconnect", LOST_ANSWER)
    await vault.follow(answer.json()["connect_uri"])
    assert (await vault.exchange()).status_code == 200
    assert (await vault.account()).id == id_


@proves("vault.never-silently-dead")
@pytest.mark.parametrize("step", SPENT)
@pytest.mark.parametrize("provider", ["forgives a repeat", "does not rotate"])
async def test_most_providers_make_it_nothing_at_all(vault: Vault, tmp_path: Path, step: str, provider: str) -> None:
    if provider == "forgives a repeat":
        vault.meridian.authority.grace_seconds = 2 * LEASE
    else:
        vault.meridian.authority.rotates = False
    await run_out(vault)
    if step == "answer arriving":
        vault.meridian.fail("drip", seconds=2)
    await killed(vault, sqlite(tmp_path), step, after=0.5)
    vault.later(LEASE)
    assert (await vault.exchange()).status_code == 200
    assert (await vault.account()).state == "ok"


@proves("vault.never-silently-dead")
async def test_at_any_moment(any_vault: Vault, database_url: str) -> None:
    """Three lives, each ended somewhere between sending and the end."""
    vault = any_vault
    await run_out(vault)
    for _ in range(3):
        await killed(vault, database_url, "any", after=random.uniform(0, 0.06))
        vault.later(LEASE)
        answer = await vault.exchange()
        account = await vault.account()
        if answer.status_code != 200:
            assert (account.state, account.cause) == ("reconnect", LOST_ANSWER)
            await vault.follow(answer.json()["connect_uri"])
        assert (await vault.exchange()).status_code == 200
        vault.later(300)
    await vault.house.store.trail.verify()
