"""Acknowledged means durable: `kill -9` at any moment under load loses nothing and leaves a chain that verifies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from tests.fixtures.databases import embedded_postgresql
from tests.ledger import proves
from tests.needs import need
from tests.storage.conftest import MASTER, NOW

from remit_server.storage.open import open_store

LIVES = 6


async def start_writer(url: str, life: str) -> Process:
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.storage.writer_process", url, life, stdout=PIPE, cwd=Path(__file__).parents[2]
    )
    assert writer.stdout is not None
    return writer


async def kill(writer: Process) -> list[str]:
    """The ids that it had acknowledged when it died. A last line without its end was not."""
    with contextlib.suppress(ProcessLookupError):
        writer.kill()
    output, _ = await writer.communicate()
    assert writer.returncode == -signal.SIGKILL
    return [line.decode() for line in output.splitlines(keepends=True) if line.endswith(b"\n")]


async def acknowledged_are_there(url: str, ids: list[str]) -> None:
    store = await open_store(url, MASTER, NOW)
    try:
        tokens = await asyncio.gather(*(store.tokens.held(f"{id_.strip()}") for id_ in ids))
        assert [id_ for id_, held in zip(ids, tokens, strict=True) if held is None] == []
        told = {event.subject async for _, event, _ in store.trail.everything()}
        assert {id_.strip() for id_ in ids} <= told
        await store.trail.verify()
    finally:
        await store.close()


@proves("storage.acknowledged-is-durable")
async def test_killing_the_process_loses_nothing(database_url: str) -> None:
    ids: list[str] = []
    for life in range(LIVES):
        writer = await start_writer(database_url, str(life))
        assert writer.stdout is not None
        ids.append((await writer.stdout.readline()).decode())
        await asyncio.sleep(random.uniform(0.01, 0.4))
        ids += await kill(writer)
        await acknowledged_are_there(database_url, ids)
    assert len(ids) > 20 * LIVES


@proves("storage.acknowledged-is-durable")
async def test_killing_postgresql_itself_loses_nothing() -> None:
    need("postgresql")
    with embedded_postgresql(Path(tempfile.gettempdir()) / f"remit-crash-{secrets.token_hex(4)}") as server:
        url = server.get_uri()
        writer = await start_writer(url, "0")
        assert writer.stdout is not None
        ids = [(await writer.stdout.readline()).decode()]
        await asyncio.sleep(0.4)
        for signal_ in (signal.SIGQUIT, signal.SIGKILL):  # stopped at once, and not even that
            os.kill(server.get_pid(), signal_)
            server.get_postmaster_info().process.wait(10)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(server.ensure_postgres_running)
            seen = len(ids)
            while len(ids) < seen + 100:  # the same process goes on by itself
                line = await asyncio.wait_for(writer.stdout.readline(), 15)
                ids.append(line.decode())
            await asyncio.sleep(0.3)
        ids += await kill(writer)
        await acknowledged_are_there(url, ids)
