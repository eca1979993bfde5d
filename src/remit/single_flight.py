"""Many callers, one call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Callers that arrive with the same key while a call is under way share it, and its result or error.

    The call runs in a task of its own: a caller that is cancelled leaves, and the call still ends. That matters where
    the answer can be had only once, as with a rotated refresh token or a granted approval.
    """

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[T]] = {}

    async def __call__(self, key: Hashable, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(call())
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(task)

    def _landed(self, key: Hashable, task: asyncio.Task[T]) -> None:
        self._under_way.pop(key, None)
        if not task.cancelled():
            task.exception()  # looked at, so that nobody is warned about an error whose callers have all left
