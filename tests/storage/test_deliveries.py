"""The outbox and what people wish, on both databases."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace
from tests.storage.conftest import NOW

from remit_server.records import Delivery, Preferences, PushSubscription
from remit_server.storage.contract import Lost, Step
from remit_server.storage.store import Store

ROW = Delivery(approval_id="a_1", recipient="person", due_at=NOW)


async def loses(store: Store, *steps: Step) -> bool:
    try:
        await store.commit(*steps)
    except Lost:
        return True
    return False


async def test_a_row_is_one_tellers_at_a_time(store: Store) -> None:
    hook = Delivery(approval_id="a_1", recipient="webhook desk", due_at=NOW + 1)
    await store.commit(store.deliveries.add(ROW), store.deliveries.add(hook))
    assert await store.deliveries.due(NOW - 1, 9) == []
    assert await store.deliveries.due(NOW, 9) == [ROW]
    assert await store.deliveries.due(NOW + 1, 9) == [ROW, hook]
    assert await store.deliveries.due(NOW + 1, 1) == [ROW]
    races = await asyncio.gather(*(loses(store, store.deliveries.claim(ROW, NOW + 60)) for _ in range(8)))
    assert races.count(False) == 1
    assert await store.deliveries.due(NOW, 9) == []
    (mine,) = [each for each in await store.deliveries.due(NOW + 60, 9) if each.recipient == "person"]
    assert mine == replace(ROW, due_at=NOW + 60, tries=1, version=1)
    await store.commit(store.deliveries.postpone(mine, NOW + 90, way="email", tries=2))
    assert await loses(store, store.deliveries.end(mine)), "whoever was too slow has lost it"
    (later,) = [each for each in await store.deliveries.due(NOW + 90, 9) if each.recipient == "person"]
    assert later == replace(ROW, due_at=NOW + 90, tries=2, version=2, way="email")
    await store.commit(store.deliveries.end(later))
    assert await store.deliveries.due(NOW + 90, 9) == [hook]


async def test_preferences(store: Store) -> None:
    assert await store.preferences.get("u_1") == Preferences(user_id="u_1")
    wish = Preferences(
        user_id="u_1", ways=("email",), private=True, quiet=("22:00", "07:00"), time_zone="Europe/Rome", topic="t"
    )
    await store.commit(store.preferences.put(wish))
    assert await store.preferences.get("u_1") == wish
    await store.commit(store.preferences.put(replace(wish, private=False)))
    assert not (await store.preferences.get("u_1")).private
    await store.commit(store.preferences.forget("u_1"))
    assert await store.preferences.get("u_1") == Preferences(user_id="u_1")


async def test_push_subscriptions(store: Store) -> None:
    one = PushSubscription(
        id="h1",
        user_id="u_1",
        endpoint="https://push.example/1",
        p256dh="k",
        auth="a",
        device="Firefox",
        created_at=NOW,
    )
    two = replace(one, id="h2", created_at=NOW + 1)
    await store.commit(store.push_subscriptions.put(one), store.push_subscriptions.put(two))
    assert await store.push_subscriptions.of_user("u_1") == [one, two]
    await store.commit(store.push_subscriptions.put(replace(one, user_id="u_2")))
    assert await store.push_subscriptions.of_user("u_1") == [two]
    assert await loses(store, store.push_subscriptions.remove("h1", "u_1"))
    await store.commit(store.push_subscriptions.remove("h2", "u_1"), store.push_subscriptions.forget("u_2"))
    assert await store.push_subscriptions.of_user("u_2") == []
