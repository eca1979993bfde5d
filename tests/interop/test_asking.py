"""Row 5: Auth0's toolkits for agents and its SDK for servers, pinned and unmodified, ask a person of ours by CIBA over TLS."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.asking import ORDER
from tests.fixtures.house import BROKER, SECRET
from tests.interop.live import Live, Trust, live
from tests.interop.play import play_node, play_python
from tests.ledger import proves

pytestmark = proves("interop.asking")

AGENT: dict[str, Any] = {"client": "agent", "secret": SECRET}
TRADE: dict[str, Any] = {"scopes": ["openid", "trade:write"], "audience": BROKER, "authorization_details": [ORDER]}
INTERVAL = 3


@pytest.fixture
async def asking(tmp_path: Path, trust: Trust) -> AsyncIterator[Live]:
    async with live(tmp_path, trust, poll_interval=INTERVAL) as server:
        yield server


def judged(got: dict[str, Any], answer: str, *, scopes: str = "scope") -> None:
    """Pending, then too fast, then the answer; who blocks sees the answer alone."""
    if "first" in got:
        assert "PENDING" in got["first"]
        assert "POLLING" in got["at_once"]
    if answer == "approve":
        assert set(got["then"][scopes]) == {"openid", "trade:write"}
    else:
        assert "denied" in json.dumps(got["then"]).lower()


@pytest.mark.parametrize("answer", ["approve", "deny"])
@pytest.mark.parametrize("script", ["ai_langchain_ask", "ai_llamaindex_ask"])
async def test_agents_in_python(asking: Live, script: str, answer: str) -> None:
    got = await play_python(
        asking, script, packages="python-agents", **AGENT, wanted=TRADE, message="Buy 10 ZEKO", answer=answer,
        pause=INTERVAL + 6,
    )  # fmt: skip
    judged(got, answer)


async def test_no_audience_at_all(asking: Live) -> None:
    """The toolkit sends the text None."""
    got = await play_python(
        asking, "ai_langchain_ask", packages="python-agents", **AGENT, wanted={"scopes": ["openid"]}, message="Sign in",
        answer="approve", pause=INTERVAL + 6,
    )  # fmt: skip
    assert got["then"]["scope"] == ["openid"]


@pytest.mark.node
@pytest.mark.parametrize("answer", ["approve", "deny"])
async def test_agents_in_javascript(asking: Live, answer: str) -> None:
    wanted = {"scopes": TRADE["scopes"], "audience": BROKER}
    got = await play_node(
        asking, "ai_vercel_ask", **AGENT, wanted=wanted, message="Buy 10 ZEKO", answer=answer, pause=INTERVAL + 6
    )
    judged(got, answer, scopes="scopes")


@pytest.mark.parametrize("answer", ["approve", "deny"])
async def test_a_server_that_blocks(asking: Live, answer: str) -> None:
    got = await play_python(
        asking, "auth0_ask", **AGENT, audience=BROKER, details=json.dumps([ORDER]), message="Buy 10 ZEKO", answer=answer
    )
    if answer == "approve":
        assert got["details"]["authorization_details"][0]["quantity"] == ORDER["quantity"]
    else:
        assert "denied" in got["error"] or "backchannel" in got["error"], got
