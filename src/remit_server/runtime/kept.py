"""What was read and worked out once, kept until somebody changes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from remit_server.storage.store import Store

T = TypeVar("T")


class Kept(Generic[T]):
    """A value made from a whole table, forgotten on a wake of that table. While wakes may be missed it is made each time."""

    def __init__(self, store: Store, table: str, make: Callable[[], Awaitable[T]]) -> None:
        self._engine, self._table, self._make = store.engine, table, make
        self._value: tuple[T] | None = None
        self._generation = 0
        store.engine.listen(self._hear)

    def _hear(self, topic: str) -> None:
        if topic == "*" or topic.partition(":")[0] == self._table:
            self._value = None
            self._generation += 1

    async def __call__(self) -> T:
        if self._value is not None and self._engine.hears:
            return self._value[0]
        generation = self._generation
        made = await self._make()
        # A wake that came while we read may tell of what we did not see yet.
        if self._engine.hears and generation == self._generation:
            self._value = (made,)
        return made
