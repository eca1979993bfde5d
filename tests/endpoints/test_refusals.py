"""A storm of calls that no rule allows does not flood the trail."""

from __future__ import annotations

import asyncio

import pytest
from tests.fixtures.proxy import Bridge
from tests.ledger import proves

from remit_server.records import ProxyRule
from remit_server.vault import refusals

KIND = "vault.call_refused"


async def storm(bridge: Bridge, calls: int) -> None:
    await bridge.change(proxy={"calendar": (ProxyRule(paths=("/a",)),)})
    for _ in range(calls):
        assert (await bridge.call("GET", "/elsewhere")).status_code == 403


def times(events: list[object]) -> list[object]:
    return [getattr(event, "about", {}).get("times") for event in events]


@proves("proxy.storms-told-once")
async def test_what_is_too_much_is_told_together_with_how_many(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "TOGETHER", 1.5)
    await storm(bridge, 50)
    assert times(await bridge.events(KIND)) == [None] * 20
    await bridge.house.machines.background.finish()
    events = await bridge.events(KIND)
    assert sorted(times(events), key=bool) == [None] * 20 + [30]
    assert {(each.actor.client, each.actor.user, each.about["connection"]) for each in events} == {
        ("agent", "auth0|ada", "calendar")
    }
    browser = await bridge.house.sign_in("ada")
    assert "no rule allows, 30 times" in (await browser.get("/activity")).text


async def test_a_server_that_stops_does_not_forget_the_rest(bridge: Bridge) -> None:
    await storm(bridge, 23)
    await asyncio.sleep(0)
    await bridge.house.machines.background.close()
    assert sorted(times(await bridge.events(KIND)), key=bool) == [None] * 20 + [3]
