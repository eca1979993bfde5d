"""A poll that prefers to wait (RFC 7240) is held until somebody has decided."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx2
import pytest
from tests.fixtures.asking import CIBA, DEVICE, ORDER, answer, asked, own_app, poll, waiting
from tests.fixtures.house import SECRET, House, built, sqlite

from remit_server.approvals.waiting import Waiting
from remit_server.wire.http import Gone

PROMPT = 1.0
"""Seconds within which the decision must be with whoever waits for it."""


async def held(house: House, auth_req_id: str, wait: str = "wait=20") -> httpx2.Response:
    form = {"grant_type": CIBA, "auth_req_id": auth_req_id, "client_id": "agent", "client_secret": SECRET}
    return await house.http.post("/oauth/token", data=form, headers={"Prefer": wait})


async def later(house: House, seconds: float = 0.3, **said: Any) -> float:
    """Answer what is open after a while; the moment in which that was done."""
    await asyncio.sleep(seconds)
    app = await own_app(house)
    (approval,) = await waiting(house, app)
    done = await answer(house, app, approval, **said)
    assert done.status_code == 200
    return time.monotonic()


@pytest.mark.parametrize(("said", "status"), [("approve", 200), ("deny", 400)])
async def test_the_answer_comes_with_the_decision(any_house: House, said: str, status: int) -> None:
    request = await asked(any_house)
    got, decided = await asyncio.gather(held(any_house, request["auth_req_id"]), later(any_house, answer=said))
    assert time.monotonic() - decided < PROMPT
    assert got.status_code == status
    assert got.json().get("error") == (None if status == 200 else "access_denied")


async def test_who_does_not_ask_for_it_is_answered_at_once(house: House) -> None:
    request = await asked(house)
    before = time.monotonic()
    assert (await poll(house, request["auth_req_id"])).json()["error"] == "authorization_pending"
    assert time.monotonic() - before < PROMPT


async def test_nobody_decides(house: House) -> None:
    request = await asked(house)
    before = time.monotonic()
    got = await held(house, request["auth_req_id"], "wait=1")
    assert 0.9 < time.monotonic() - before < 3
    assert (got.status_code, got.json()["error"]) == (400, "authorization_pending"), "the first poll is never too fast"
    assert got.headers["retry-after"] == "5"


async def test_the_operator_bounds_it(tmp_path: Any) -> None:
    async with built(sqlite(tmp_path), longest_poll=0) as house:
        request = await asked(house)
        async with asyncio.timeout(PROMPT):
            assert (await held(house, request["auth_req_id"])).json()["error"] == "authorization_pending"


async def test_too_fast_is_said_at_once(house: House) -> None:
    request = await asked(house)
    await poll(house, request["auth_req_id"])
    async with asyncio.timeout(PROMPT):
        assert (await held(house, request["auth_req_id"])).json()["error"] == "slow_down"


async def test_of_many_that_wait_one_has_it(any_house: House) -> None:
    request = await asked(any_house)
    polls = [asyncio.create_task(held(any_house, request["auth_req_id"])) for _ in range(5)]
    await later(any_house)
    got = [await each for each in polls]
    assert sorted(each.status_code for each in got) == [200, 400, 400, 400, 400]


async def test_a_device_may_wait_as_well(house: House) -> None:
    started = await house.http.post("/oauth/device/code", data={"scope": "openid", **house.proof("public")})
    form = {"grant_type": DEVICE, "device_code": started.json()["device_code"], "client_id": "public"}
    before = time.monotonic()
    got = await house.http.post("/oauth/token", data=form, headers={"Prefer": "wait=1"})
    assert time.monotonic() - before > 0.9
    assert got.json()["error"] == "authorization_pending"


class Asking:
    """Somebody who hangs up after so many seconds."""

    def __init__(self, seconds: float = 60) -> None:
        self._seconds = seconds

    async def hung_up(self) -> None:
        await asyncio.sleep(self._seconds)


async def test_who_has_hung_up_takes_nothing(house: House) -> None:
    request = await asked(house)
    (pending,) = await waiting(house, await own_app(house))
    approval = await house.store.approvals.get(pending["id"])
    assert approval is not None
    with pytest.raises(Gone):
        await Waiting(house.machines).until_changed(approval, 20, Asking(0.2))  # type: ignore[arg-type]
    await later(house, 0)
    assert (await poll(house, request["auth_req_id"])).status_code == 200, "it is still there to be fetched"


async def test_so_many_and_no_more_are_held(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remit_server.approvals.waiting.OF_CLIENT", 3)
    for n in range(1, 6):
        await asked(house, authorization_details=json.dumps([{**ORDER, "quantity": n}]))
    open_ = await waiting(house, await own_app(house))
    approvals = [await house.store.approvals.get(each["id"]) for each in open_]
    room = Waiting(house.machines)
    polls = [asyncio.create_task(room.until_changed(each, 2, Asking())) for each in approvals if each]  # type: ignore[arg-type]
    done, under_way = await asyncio.wait(polls, timeout=0.5)
    assert (len(done), len(under_way)) == (2, 3)
    await asyncio.gather(*polls)
    assert (room._of_client, room._heard) == ({}, {}), "nothing is left of those that have gone"
