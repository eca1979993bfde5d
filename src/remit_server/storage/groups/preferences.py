"""How people want to be told, and the browsers that push services reach for us."""

from __future__ import annotations

from collections.abc import Sequence

from remit_server.records import Preferences, PushSubscription
from remit_server.storage.barrier import Barrier
from remit_server.storage.contract import Engine, Step
from remit_server.storage.groups.rows import Rows
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Delete, Insert, Select


class PreferencesOf:
    _GET = Select(t.PREFERENCES, where="preferences.user_id = :user_id")
    _PUT = Insert(t.PREFERENCES, conflict="replace")
    _FORGET = Delete(t.PREFERENCES, where="preferences.user_id = :user_id")

    def __init__(self, engine: Engine, barrier: Barrier) -> None:
        self._engine = engine
        self._rows = Rows(t.PREFERENCES, Preferences, barrier=barrier)

    async def get(self, user_id: str) -> Preferences:
        """What they wish, or what holds for who has said nothing."""
        found = self._rows.maybe(await self._engine.one(self._GET, {"user_id": user_id}))
        return found or Preferences(user_id=user_id)

    def put(self, preferences: Preferences) -> Step:
        return Step(self._PUT, self._rows.params(preferences))

    def forget(self, user_id: str) -> Step:
        """The person goes."""
        return Step(self._FORGET, {"user_id": user_id}, may_miss=True)


class PushSubscriptions:
    _OF_USER = Select(t.PUSH_SUBSCRIPTIONS, where="user_id = :user_id", tail="ORDER BY created_at, id")
    _PUT = Insert(t.PUSH_SUBSCRIPTIONS, conflict="replace")
    _REMOVE = Delete(
        t.PUSH_SUBSCRIPTIONS, where="push_subscriptions.id = :id AND push_subscriptions.user_id = :user_id"
    )
    _FORGET = Delete(t.PUSH_SUBSCRIPTIONS, where="push_subscriptions.user_id = :user_id")

    def __init__(self, engine: Engine, barrier: Barrier) -> None:
        self._engine = engine
        self._rows = Rows(t.PUSH_SUBSCRIPTIONS, PushSubscription, barrier=barrier)

    async def of_user(self, user_id: str) -> Sequence[PushSubscription]:
        """All of a person's, oldest first."""
        return [self._rows.record(row) for row in await self._engine.many(self._OF_USER, {"user_id": user_id})]

    def put(self, subscription: PushSubscription) -> Step:
        """A browser is whose it is now: whoever subscribes with it takes it over from who did before."""
        return Step(self._PUT, self._rows.params(subscription))

    def remove(self, id_: str, user_id: str) -> Step:
        """Loses when this person has no such subscription."""
        return Step(self._REMOVE, {"id": id_, "user_id": user_id})

    def forget(self, user_id: str) -> Step:
        """The person goes."""
        return Step(self._FORGET, {"user_id": user_id}, may_miss=True)
