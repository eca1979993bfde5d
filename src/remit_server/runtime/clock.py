"""Time. The only place that asks the machine what time it is."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> int:
        """Seconds since the epoch, UTC."""


class SystemClock:
    def now(self) -> int:
        return int(time.time())
