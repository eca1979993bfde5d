"""Approvals with more than one process: a decision reaches whoever waits on another node, and `kill -9` loses nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx2
import msgspec
from tests.endpoints.test_long_poll import held
from tests.fixtures.asking import ORDER, answer, asked, own_app, poll, spend, waiting
from tests.fixtures.house import ISSUER, House, built
from tests.fixtures.listener import listener
from tests.fixtures.nodes import Nodes, Running, free_port, ready
from tests.ledger import proves

TOKEN = "8d67dc78-7faa-4d41-aabd-67707b374255"


def at(house: House, http: httpx2.AsyncClient) -> House:
    """The same house, reached through another process."""
    return replace(house, http=http)


def order(quantity: int) -> str:
    return json.dumps([{**ORDER, "quantity": quantity}])


@proves("approval.long-poll")
async def test_decided_on_one_node_released_on_the_other(nodes: Nodes) -> None:
    here, there = (at(nodes.house, http) for http in nodes.http)
    took = []
    for n in range(1, 11):
        request = await asked(here, authorization_details=order(n))
        waits = asyncio.create_task(held(there, request["auth_req_id"]))
        await asyncio.sleep(0.2)
        app = await own_app(here)
        (approval,) = await waiting(here, app)
        assert (await answer(here, app, approval)).status_code == 200
        decided = time.monotonic()
        assert (await waits).status_code == 200
        took.append(time.monotonic() - decided)
    assert max(took) < 1.0, took


@proves("approval.asked-back")
async def test_a_question_on_one_node_is_heard_on_the_other(nodes: Nodes) -> None:
    here, there = (at(nodes.house, http) for http in nodes.http)
    request, app = await asked(here), await own_app(here)
    (approval,) = await waiting(here, app)
    waits = asyncio.create_task(held(there, request["auth_req_id"]))
    await asyncio.sleep(0.2)
    assert (await answer(here, app, approval, answer="ask", text="Why?")).status_code == 200
    began = time.monotonic()
    assert (await waits).json()["interaction"]["question"] == "Why?"
    assert time.monotonic() - began < 1.0


@proves("approval.spent-once", "allowance.not-overspent")
async def test_two_nodes_spend_no_more_than_one(nodes: Nodes) -> None:
    """What was allowed ahead for three is used three times, and each approval once, whichever node is asked."""
    here, there = (at(nodes.house, http) for http in nodes.http)
    request, app = await asked(here, binding_message="The first"), await own_app(here)
    (approval,) = await waiting(here, app)
    remember = {
        "times": 3, "expires_at": int(time.time()) + 3600, "per_act": 50_000, "total": 10**6, "currency": "USD"
    }  # fmt: skip
    assert (await answer(here, app, approval, remember=remember)).status_code == 200
    token = (await poll(here, request["auth_req_id"])).json()["access_token"]
    tries = await asyncio.gather(*(spend(node, token, ORDER) for node in (here, there) * 6))
    assert sorted(each.status_code for each in tries) == [200] + [409] * 11
    requests = await asyncio.gather(*(asked((here, there)[n % 2], binding_message=f"Number {n}") for n in range(10)))
    answers = await asyncio.gather(*(poll(here, each["auth_req_id"]) for each in requests))
    assert sorted(each.status_code for each in answers) == [200] * 3 + [400] * 7


class Server:
    """A process of `remit serve` that can be killed."""

    def __init__(self, database: str, log: Path) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        command = ["-m", "remit_server.cli", "serve", "--database", database, "--issuer", ISSUER, "--port", str(port)]
        master = urlsafe_b64encode(b"k" * 32).decode()
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, *command], stdout=out, stderr=out, cwd=log.parent,
                env={**os.environ, "REMIT_MASTER_KEY": master},
            )  # fmt: skip

    def kill(self) -> None:
        self._process.kill()
        assert self._process.wait() == -signal.SIGKILL


@asynccontextmanager
async def served(database: str, log: Path, house: House) -> AsyncIterator[tuple[House, Server]]:
    server = Server(database, log)
    async with httpx2.AsyncClient(base_url=server.url, timeout=30) as http:
        try:
            await ready(http)
            yield at(house, http), server
        finally:
            if server._process.poll() is None:
                server.kill()


@proves("approval.survives")
async def test_killing_the_server_loses_no_request_and_no_answer(database_url: str, tmp_path: Path) -> None:
    async with built(database_url, clock=Running()) as house, listener(*[500] * 50) as heard:
        agent = await house.store.clients.get("agent")
        assert agent is not None
        told = msgspec.structs.replace(
            agent, id="told", backchannel_token_delivery_mode="ping", backchannel_client_notification_endpoint=heard.url
        )
        await house.store.commit(house.store.clients.put(told))
        log = tmp_path / "server.log"
        async with served(database_url, log, house) as (first, server):
            requests = [(await asked(first, authorization_details=order(n)))["auth_req_id"] for n in range(1, 4)]
            pinged = (await asked(first, client="told", client_notification_token=TOKEN))["auth_req_id"]
            app = await own_app(house)
            *_, oldest = await waiting(first, app)
            assert (await answer(first, app, oldest)).status_code == 200
            (ping,) = [each for each in await waiting(first, app) if each["client"]["id"] == "told"]
            assert (await answer(first, app, ping)).status_code == 200
            hangs = asyncio.create_task(held(first, requests[1]))
            await heard.message()  # the answer to it is an error: the message has not arrived
            async with asyncio.timeout(60):
                while not await house.events("approval.client_not_told"):  # noqa: ASYNC110 - in the other process
                    await asyncio.sleep(0.05)
            server.kill()
            heard.statuses.clear()
            heard.came.clear()
            assert isinstance((await asyncio.gather(hangs, return_exceptions=True))[0], httpx2.TransportError)
        async with served(database_url, log, house) as (second, _):
            assert (await poll(second, requests[0])).json()["authorization_details"][0]["quantity"] == 1
            left = await waiting(second, app)
            assert len(left) == 2, "what was open is open"
            for approval in left:
                assert (await answer(second, app, approval, answer="deny")).status_code == 200
            assert (await poll(second, requests[2])).json()["error"] == "access_denied"
            _, body = await heard.message()
            assert body == {"auth_req_id": pinged}, "the next node tells the client"
            assert (await poll(second, pinged, client="told")).status_code == 200
        await house.store.trail.verify()
