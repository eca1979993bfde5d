"""URL elicitation: the server of docs/mcp.md, on the MCP Python SDK 2.3.0, before its own client, in each way the protocol has."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.fixtures.house import BROKER, SECRET, START
from tests.fixtures.vault import ADA, Vault, meridian
from tests.interop.live import Borrowing, RealTime, Trust, bound, live
from tests.interop.play import play_python
from tests.ledger import proves
from tests.needs import ROOT

from remit_server.records import Api, Client

pytestmark = proves("interop.mcp-elicitation")

BUY = ("buy", {"ticker": "ZEKO", "qty": 10, "cents": 4120})


def free() -> str:
    at, port = bound()
    at.close()
    return f"http://127.0.0.1:{port}"


@dataclass
class Desk:
    """The MCP server of the page, registered as the page says; `caller` is a client that Ada lets in."""

    server: Borrowing
    resource: str

    async def play(self, mode: str, *calls: tuple[str, dict[str, Any]], wait: int = 50, **more: Any) -> dict[str, Any]:
        tokens = await self.server.house.tokens_for("caller", "ada", audience=self.resource, scope="openid desk:use")
        got: dict[str, Any] = await play_python(
            self.server, "mcp_elicit", client="desk", secret=SECRET, mode=mode, calls=calls, token=tokens["access_token"],
            resource=self.resource, broker=free(), calendar=f"{self.server.vault.meridian.url}/calendar",
            page=str(ROOT / "docs/mcp.md"), source=[str(ROOT / "src")], wait=wait, **more,
        )  # fmt: skip
        return got


@pytest.fixture
async def desk(tmp_path: Path, trust: Trust) -> AsyncIterator[Desk]:
    resource, (at, port) = f"{free()}/mcp", bound()
    api = Api(identifier=resource, name="Desk", scopes={"desk:use": "Use your desk"}, skip_consent=True)
    with meridian(RealTime(), issuer=f"http://127.0.0.1:{port}/") as upstream:
        async with live(tmp_path, trust, api, upstream.connection(), tls=False, at=at) as server:
            house = server.house
            secret = house.machines.peppers.client_secret(SECRET)
            registered = Client(
                id="desk", name="Desk", kind="mcp", api=resource, grants=("token_exchange", "ciba"), first_party=True,
                connections={"calendar": ("calendar.read",)}, apis={BROKER: ("trade:write",)}, secrets=(secret,),
                created_at=START,
            )  # fmt: skip
            web = await house.store.clients.get("web")
            assert web
            caller = replace(web, id="caller", apis={resource: ("desk:use",)})
            await house.store.commit(house.store.clients.put(registered), house.store.clients.put(caller))
            yield Desk(Borrowing(server.issuer, trust, house, server.calls, Vault(house, upstream)), resource)


@pytest.mark.parametrize(
    ("mode", "wait", "protocol"),
    [
        ("modern", 50, "2026-07-28"), ("legacy", 50, "2025-11-25"), ("no-stream", 50, "2025-11-25"), ("legacy", 0, "2025-11-25"),
    ],
)  # fmt: skip
async def test_a_tool_waits_for_its_person_and_goes_on(desk: Desk, mode: str, wait: int, protocol: str) -> None:
    got = await desk.play(mode, ("events", {}), BUY, wait=wait)
    events, bought = got["calls"]
    assert got["protocol"] == protocol
    assert json.loads(events["text"])["account"] == ADA.email
    assert json.loads(bought["text"]) == {"bought": 10, "for": "auth0|ada"}
    assert [path.split("/")[1] for _, _, path, _ in got["shown"]] == ["connect", "approvals"]
    ids = [each[3] for each in got["shown"]]
    assert got["done"] == (ids if (mode, wait) == ("legacy", 50) else [])
    assert (None in ids) == (mode == "modern")
    assert len(await desk.server.house.events("approval.asked")) == 1


@pytest.mark.parametrize("mode", ["modern", "legacy"])
async def test_who_comes_late_is_still_asked_once(desk: Desk, mode: str) -> None:
    """The first call ends without them; they answer while the second one is there."""
    got = await desk.play(mode, BUY, BUY, wait=1, replies=[None, {"answer": "approve"}])
    late, bought = got["calls"]
    assert late["error"]
    assert "not been given yet" in late["text"]
    assert json.loads(bought["text"]) == {"bought": 10, "for": "auth0|ada"}
    assert len(await desk.server.house.events("approval.asked")) == 1


async def test_a_client_that_opens_no_pages_gets_no_link(desk: Desk) -> None:
    got = await desk.play("blind", ("events", {}))
    (events,) = got["calls"]
    assert events["error"]
    assert "connected first" in events["text"]
    assert "http" not in events["text"]


@pytest.mark.parametrize("mode", ["modern", "legacy"])
async def test_who_will_not_open_the_page_is_not_waited_for(desk: Desk, mode: str) -> None:
    got = await desk.play(mode, ("events", {}), action="decline")
    (events,) = got["calls"]
    assert events["error"]
    assert "chose not to open" in events["text"]


async def test_a_no_reaches_the_model(desk: Desk) -> None:
    """And the next call asks anew: it is another request."""
    got = await desk.play("legacy", BUY, BUY, replies=[{"answer": "deny"}] * 2)
    assert all(each["error"] and "denied" in each["text"] for each in got["calls"])
    assert len(await desk.server.house.events("approval.asked")) == 2


async def test_a_question_reaches_the_model_and_its_reply_the_person(desk: Desk) -> None:
    replies = [{"answer": "ask", "text": "Why ten?"}, {"answer": "approve"}]
    wrong, right = ("explain", {"text": "See plan.example.com"}), ("explain", {"text": "Your plan says so."})
    got = await desk.play("modern", BUY, wrong, right, BUY, replies=replies)
    asked, refused, told, bought = got["calls"]
    assert "Why ten?" in asked["text"]
    assert refused["error"], "it has a link; the question stays open"
    assert told == {"error": False, "text": "They have been told."}
    assert json.loads(bought["text"]) == {"bought": 10, "for": "auth0|ada"}
    assert len(await desk.server.house.events("approval.asked")) == 1
