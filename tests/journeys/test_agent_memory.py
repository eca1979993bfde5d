"""An agent that calls through the vault never holds the provider's token: not in its memory, not on its wire.

The same agent, when it borrows the token instead, is caught by the same net.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.house import SECRET, Clock, sqlite
from tests.fixtures.proxy import TOKEN, Seen, answer, bridge_on, tap
from tests.ledger import proves

from remit_demo.serving import loopback_socket

AGENT = """
import asyncio, json, sys
from remit import Client

async def main(url, secret, refresh_token, borrow):
    async with Client(url, "agent", secret) as client:
        user = await client.on_behalf_of(refresh_token=refresh_token)
        async with user.vault.client("calendar") as api:
            answer = await api.get("/calendars/primary/events")
            posted = await api.post("/calendars/primary/events", json={"title": "Lunch"})
        kept = await user.token("calendar", scopes=["calendar.read"]) if borrow else None
        print(json.dumps({"status": answer.status_code, "posted": posted.status_code, "text": answer.text}), flush=True)
        sys.stdin.read()
        assert kept is None or kept.reveal()

asyncio.run(main(*json.loads(sys.stdin.readline())))
"""


def memory_of(pid: int) -> bytes:
    """All that a process of ours can read of itself."""
    pieces = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            begin, end, rights = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()  # type: ignore[union-attr]
            if rights.startswith("r") and "[v" not in line:
                try:
                    memory.seek(int(begin, 16))
                    pieces.append(memory.read(int(end, 16) - int(begin, 16)))
                except OSError:
                    continue  # a mapping beyond its file's end
    return b"\n".join(pieces)


def found_in(haystack: bytes) -> list[str]:
    """Pieces of the provider's token that are there."""
    return [TOKEN[at : at + 16] for at in range(0, len(TOKEN) - 16, 4) if TOKEN[at : at + 16].encode() in haystack]


async def talkative(seen: Seen, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A provider that tells what it was asked with, in a header and in its body."""
    body = json.dumps(dict(seen.headers)).encode()
    writer.write(
        answer("200 OK", body, "Content-Type: application/json", f"X-Asked-With: {seen.header('authorization')}")
    )


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="reads another process through /proc")
@pytest.mark.parametrize("borrow", [False, True], ids=["through the vault", "planted"])
@proves("proxy.agent-holds-nothing")
async def test_grep(borrow: bool, tmp_path: Path) -> None:
    bound = loopback_socket()
    async with (
        tap(bound.getsockname()[1]) as wire,
        bridge_on(sqlite(tmp_path), issuer=wire.url, clock=Clock(int(time.time()))) as bridge,
        bridge.live(bound),
    ):
        bridge.api.play = talkative
        tokens = await bridge.house.tokens_for("agent", scope="openid offline_access")
        given = [wire.url, SECRET, tokens["refresh_token"], borrow]
        env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        agent = await asyncio.create_subprocess_exec(
            sys.executable, "-c", AGENT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=env
        )
        assert agent.stdin is not None
        assert agent.stdout is not None
        agent.stdin.write(json.dumps(given).encode() + b"\n")
        said: dict[str, Any] = json.loads(await asyncio.wait_for(agent.stdout.readline(), 30))
        assert (said["status"], said["posted"]) == (200, 200)
        assert "********" in said["text"], "the provider's echo arrived, masked"
        assert [seen.header("authorization") for seen in bridge.api.seen] == [f"Bearer {TOKEN}"] * 2, "it was sent"

        memory, traffic = memory_of(agent.pid), bytes(wire.heard)
        assert b"vault:proxy" in memory, "the net reaches where the agent keeps its tokens"
        assert b"/vault/proxy/calendar/calendars/primary/events" in traffic
        assert bool(found_in(memory)) is borrow
        assert bool(found_in(traffic)) is borrow

        agent.stdin.close()
        assert await agent.wait() == 0
