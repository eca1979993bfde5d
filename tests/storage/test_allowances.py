"""Standing allowances, on both databases."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace
from tests.ledger import proves
from tests.storage.conftest import NOW
from tests.storage.samples import LATER, allowance

from remit_server.records import Allowance
from remit_server.storage.contract import Lost
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Select
from remit_server.storage.store import Store

ADA, BOB = "auth0|ada", "auth0|bob"


async def test_what_is_allowed_is_found_by_its_person_and_sealed(store: Store) -> None:
    allowances, mine = store.allowances, allowance()
    other = allowance(client_id="c_2", expires_at=LATER + 1)
    await store.commit(*map(allowances.add, (mine, other, allowance(user_id=BOB))))
    assert await allowances.get(mine.id, ADA) == mine
    assert await allowances.get(mine.id, BOB) is None
    assert list(await allowances.of_user(ADA)) == [other, mine]
    assert list(await allowances.holding(ADA, "c_1", "payment", NOW)) == [mine]
    for nothing in (
        allowances.holding(ADA, "c_1", "payment", LATER),
        allowances.holding(ADA, "c_1", "message", NOW),
        allowances.holding(BOB, "c_2", "payment", NOW),
    ):
        assert list(await nothing) == []
    for row in await store.engine.many(Select(t.ALLOWANCES), {}):
        assert b"4821" not in row["body"]


@proves("allowance.bounded")
async def test_of_many_uses_at_once_only_so_many_fit(store: Store) -> None:
    by_sum, by_count = allowance(total=10_000, times=50), allowance(total=10_000, times=3)
    await store.commit(store.allowances.add(by_sum), store.allowances.add(by_count))

    async def use(one: Allowance, amount: int) -> bool:
        try:
            await store.commit(store.allowances.spend(one.id, amount, NOW))
        except Lost:
            return False
        return True

    assert sum(await asyncio.gather(*(use(by_sum, 3_000) for _ in range(20)))) == 3
    assert sum(await asyncio.gather(*(use(by_count, 1) for _ in range(20)))) == 3
    spent = await store.allowances.get(by_sum.id, ADA)
    assert spent == replace(by_sum, spent=9_000, uses=3, used_at=NOW)
    assert await use(by_sum, 1_000), "what is left can be used to the last cent"
    assert not await use(by_sum, 1)
    for amount, acts in ((-1, 1), (1, 0), (1, -1)):
        with pytest.raises(ValueError, match="gives back"):
            store.allowances.spend(by_sum.id, amount, NOW, acts=acts)


@proves("allowance.bounded")
async def test_several_acts_at_once_are_several_uses(store: Store) -> None:
    five = allowance(total=10_000, times=5)
    await store.commit(store.allowances.add(five))
    await store.commit(store.allowances.spend(five.id, 1, NOW, acts=3))
    with pytest.raises(Lost):
        await store.commit(store.allowances.spend(five.id, 1, NOW, acts=3))
    await store.commit(store.allowances.spend(five.id, 1, NOW, acts=2))
    assert await store.allowances.get(five.id, ADA) == replace(five, spent=2, uses=5, used_at=NOW)


@proves("allowance.bounded")
async def test_what_is_over_or_taken_back_is_not_spent(store: Store) -> None:
    allowances = store.allowances
    ended, back, stopped, of_bob = allowance(expires_at=NOW), allowance(), allowance(), allowance(user_id=BOB)
    await store.commit(*map(allowances.add, (ended, back, stopped, of_bob)))
    with pytest.raises(Lost):
        await store.commit(allowances.revoke(back.id, BOB, NOW))
    await store.commit(allowances.revoke(back.id, ADA, NOW))
    with pytest.raises(Lost):
        await store.commit(allowances.revoke(back.id, ADA, NOW + 1))
    with pytest.raises(Lost):
        await store.commit(allowances.spend(ended.id, 1, NOW))
    await store.commit(allowances.revoke_all(ADA, "c_1", NOW + 2))
    kept = await allowances.get(back.id, ADA)
    assert kept is not None
    assert kept.revoked_at == NOW
    for one in (ended, back, stopped):
        with pytest.raises(Lost):
            await store.commit(allowances.spend(one.id, 1, NOW))
    assert list(await allowances.holding(ADA, "c_1", "payment", NOW)) == []
    await store.commit(allowances.spend(of_bob.id, 1, NOW))


@pytest.mark.parametrize("whose", ["user", "client"])
async def test_all_of_a_person_or_an_agent_go_with_them(store: Store, whose: str) -> None:
    allowances = store.allowances
    gone, stays = allowance(), allowance(user_id=BOB, client_id="c_2")
    await store.commit(allowances.add(gone), allowances.add(stays))
    step = allowances.forget_user(ADA) if whose == "user" else allowances.forget_client("c_1")
    await store.commit(step, step)
    assert await allowances.get(gone.id, ADA) is None
    assert await allowances.get(stays.id, BOB) == stays
