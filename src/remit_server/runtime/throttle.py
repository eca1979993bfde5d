"""Rate limits: token buckets in process for what is merely noisy. What guards a secret is counted in the store instead
(`store.once.attempt`), so that it holds across nodes and restarts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from remit_server.errors import TooManyRequests

KEYS = 50_000


class Throttle:
    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, key: str, *, per_minute: int, burst: int) -> None:
        """Take one token from the bucket of `key`. Raises `TooManyRequests` with Retry-After when it is empty."""
        now = self._monotonic()
        level, seen = self._buckets.pop(key, (float(burst), now))
        level = min(float(burst), level + (now - seen) * per_minute / 60)
        self._buckets[key] = (level - 1 if level >= 1 else level, now)
        if len(self._buckets) > KEYS:
            self._buckets.popitem(last=False)
        if level < 1:
            wait = max(1, round((1 - level) * 60 / per_minute))
            raise TooManyRequests(headers={"Retry-After": str(wait)})
