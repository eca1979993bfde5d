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


@pytest.fixture
async def quick(tmp_path_factory: pytest.TempPathFactory, trust: Trust) -> AsyncIterator[Live]:
    """For who waits: polls may come every second."""
    async with live(tmp_path_factory.mktemp("quick"), trust) as server:
        yield server


async def toolkit(server: Live, script: str, **given: Any) -> Any:
    """What a toolkit for agents in Python comes to when it asks to buy."""
    given = {"wanted": TRADE, "message": "Buy 10 ZEKO", **given}
    return await play_python(server, script, packages="python-agents", **AGENT, **given)


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
async def test_langchain(asking: Live, answer: str) -> None:
    judged(await toolkit(asking, "ai_langchain_ask", answer=answer), answer)


async def test_no_audience_at_all(asking: Live) -> None:
    """The toolkit sends the text None."""
    got = await toolkit(asking, "ai_langchain_ask", wanted={"scopes": ["openid"]}, answer="approve")
    assert got["then"]["scope"] == ["openid"]


@pytest.mark.parametrize("answer", ["approve", "deny"])
async def test_llamaindex_blocks(quick: Live, answer: str) -> None:
    judged(await toolkit(quick, "ai_llamaindex_ask", answer=answer, mode="block"), answer)


async def test_llamaindex_interrupts_and_asks_again_and_again(asking: Live) -> None:
    """While it is open it is one request, and one card. Once it is answered the next call asks anew: docs/asking.md says so."""
    got = await toolkit(asking, "ai_llamaindex_ask", answer="approve", mode="interrupt")
    assert len(got["before"]) == 3
    assert len(await asking.house.events("approval.asked")) == 2
    assert "PENDING" in got["then"]


@pytest.mark.node
@pytest.mark.parametrize("answer", ["approve", "deny"])
async def test_agents_in_javascript(asking: Live, answer: str) -> None:
    wanted = {"scopes": TRADE["scopes"], "audience": BROKER}
    got = await play_node(asking, "ai_vercel_ask", **AGENT, wanted=wanted, message="Buy 10 ZEKO", answer=answer)
    judged(got, answer, scopes="scopes")


@pytest.mark.node
@pytest.mark.parametrize(
    ("waits", "answer"), [(True, "approve"), (True, "deny"), (False, "approve"), (False, "deny"), (False, None)]
)
async def test_a_server_in_javascript(quick: Live, asking: Live, waits: bool, answer: str | None) -> None:
    """It waits in the SDK, or looks now and then, and is told at last that nobody has answered."""
    got = await play_node(
        quick if waits else asking, "auth_js_ask", **AGENT, wanted=TRADE, message="Buy 10 ZEKO", answer=answer,
        waits=waits, **({} if answer else {"expiry": 2}),
    )  # fmt: skip
    if not waits:
        assert (got["first"], got["at_once"]) == ("authorization_pending", "slow_down")
        assert got["again"] == ("invalid_grant" if answer == "approve" else got["then"]["error"])
    if answer == "approve":
        assert set(got["then"]["scope"]) == {"openid", "trade:write"}
        assert got["then"]["details"] == [ORDER]
        assert got["then"]["sub"] == "auth0|ada"
    else:
        assert got["then"] == {"error": "access_denied" if answer else "expired_token"}


@pytest.mark.parametrize("answer", ["approve", "deny"])
async def test_a_server_that_blocks(quick: Live, answer: str) -> None:
    got = await play_python(
        quick, "auth0_ask", **AGENT, audience=BROKER, details=json.dumps([ORDER]), message="Buy 10 ZEKO", answer=answer
    )
    if answer == "approve":
        assert got["details"]["authorization_details"][0]["quantity"] == ORDER["quantity"]
    else:
        assert "denied" in got["error"] or "backchannel" in got["error"], got
