"""Prices that move the same way every time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

CURRENCY = "USD"

NAMES = {"ZEKO": "Zeko Industries", "ORBT": "Orbital Tin"}
PATHS: Mapping[str, Sequence[int]] = {
    "ZEKO": (4235, 4228, 4219, 4224, 4207, 4188, 4171, 4179, 4152, 4131, 4107, 4111, 4103, 4109),
    "ORBT": (1810, 1808, 1812, 1815),
}
"""Price of one share in cents, tick by tick. The path holds at its end."""


class Market:
    """Quotes of a made-up exchange. It opens with the first question.

    Args:
        tick_seconds: how long each price stands.
        clock: monotonic seconds.
    """

    def __init__(self, *, tick_seconds: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._tick_seconds = tick_seconds
        self._clock = clock
        self._opened_at: float | None = None

    def price(self, ticker: str) -> int:
        """Return the price of one share in cents.

        Raises:
            KeyError: no such share.
        """
        path = PATHS[ticker]
        now = self._clock()
        if self._opened_at is None:
            self._opened_at = now
        return path[min(int((now - self._opened_at) / self._tick_seconds), len(path) - 1)]
