"""Use once: of many racing for one row exactly one wins, in one process and across processes."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.ledger import proves
from tests.storage.conftest import NOW, Open
from tests.storage.samples import LATER, approval, code, event, pushed, token

from remit_server.records import Approval, Code, Passkey, PushedRequest, SecondFactor, Token
from remit_server.storage.contract import Lost, Step
from remit_server.storage.store import Store

Prize = Approval | Code | Passkey | PushedRequest | SecondFactor | Token


def add(store: Store, prize: Prize) -> Step:
    match prize:
        case Approval():
            return store.approvals.add(prize)
        case Code():
            return store.codes.add(prize)
        case Passkey():
            return store.passkeys.add(prize)
        case PushedRequest():
            return store.pushed_requests.add(prize)
        case SecondFactor():
            return store.second_factors.add(prize)
        case Token():
            return store.tokens.add(prize)


def take(store: Store, prize: Prize, by: str) -> Step:
    match prize:
        case Approval():
            return store.approvals.take(prize.id, NOW)
        case Code():
            return store.codes.take(prize.hash, NOW)
        case Passkey():
            return store.passkeys.use(prize.id, 8, backed_up=False, now=NOW)
        case PushedRequest():
            return store.pushed_requests.take(prize.hash, NOW)
        case SecondFactor():
            return store.second_factors.spend(prize.user_id, 8)
        case Token():
            return store.tokens.rotate(prize.hash, by, NOW)


PRIZES: dict[str, Callable[[], Prize]] = {
    "code": code,
    "refresh token": token,
    "pushed request": pushed,
    "code of a second factor": lambda: SecondFactor(user_id="u", secret="s", confirmed_at=NOW, last_step=7),
    "count of a passkey": lambda: Passkey(
        id="p", user_id="u", name="Key", credential=b"c", public_key=b"k", handle=b"h", sign_count=7
    ),
    "approval": lambda: approval(state="approved"),
}


async def race(stores: list[Store], prize: Prize, racers: int) -> int:
    """How many of `racers` won."""

    async def run(i: int) -> bool:
        store = stores[i % len(stores)]
        try:
            await store.commit(take(store, prize, f"racer-{i}"), events=(event(),))
        except Lost:
            return False
        return True

    return sum(await asyncio.gather(*(run(i) for i in range(racers))))


@pytest.mark.parametrize("kind", PRIZES)
async def test_one_of_50_wins(open_: Open, kind: str) -> None:
    stores = [await open_(), await open_()]
    prize = PRIZES[kind]()
    await stores[0].commit(add(stores[0], prize))
    assert await race(stores[:1], prize, 25) + await race(stores, prize, 25) == 1
    assert (await stores[0].trail.verify()).count == 1


@proves("storage.use-once")
@pytest.mark.parametrize("kind", PRIZES)
async def test_one_of_50_wins_from_the_start_in_two_stores(open_: Open, kind: str) -> None:
    stores = [await open_(), await open_()]
    prize = PRIZES[kind]()
    await stores[0].commit(add(stores[0], prize))
    assert await race(stores, prize, 50) == 1


async def test_one_of_50_burns_an_identifier(open_: Open) -> None:
    stores = [await open_(), await open_()]
    outcomes = await asyncio.gather(
        *(stores[i % 2].commit(stores[0].once.burn("jti", LATER)) for i in range(50)), return_exceptions=True
    )
    assert sum(not isinstance(outcome, Lost) for outcome in outcomes) == 1


RACER = """
import asyncio, json, sys
from tests.storage.conftest import MASTER, NOW
from tests.storage.samples import event
from remit_server.storage.contract import Lost
from remit_server.storage.open import open_store

async def main(url, hashes):
    store = await open_store(url, MASTER, NOW)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    async def one(hash_, i):
        try:
            await store.commit(store.codes.take(hash_, NOW), events=(event(id=f"{sys.argv[3]}-{hash_}-{i}"),))
        except Lost:
            return 0
        return 1
    wins = {hash_: sum(await asyncio.gather(*(one(hash_, i) for i in range(25)))) for hash_ in hashes}
    await store.close()
    print(json.dumps(wins), flush=True)

asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
"""


@proves("storage.use-once")
async def test_one_of_50_wins_across_processes(open_: Open, database_url: str) -> None:
    store = await open_()
    codes = [code() for _ in range(5)]
    await store.commit(*(store.codes.add(one) for one in codes))
    hashes = [one.hash for one in codes]
    racers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", RACER, database_url, json.dumps(hashes), name,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2],
        )
        for name in ("first", "second")
    ]  # fmt: skip
    for racer in racers:
        assert racer.stdout is not None
        assert await racer.stdout.readline() == b"ready\n"
    outputs = await asyncio.gather(*(racer.communicate(b"go\n") for racer in racers))
    wins = [json.loads(out) for out, _ in outputs]
    assert {hash_: sum(won[hash_] for won in wins) for hash_ in hashes} == dict.fromkeys(hashes, 1)
    assert (await store.trail.verify()).count == len(hashes)
