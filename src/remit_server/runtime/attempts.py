"""Attempts at what can be guessed: counted in the store, so that the count holds across nodes and restarts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost, Step

Limits = tuple[tuple[int, int], ...]
"""(seconds, most attempts in them)."""
DAY: Final = 86_400


async def counted(machines: Machines, key: str, limits: Limits, now: int) -> int:
    """Count the attempt before it is made, so that many at once are many. Seconds to wait, 0 to go on."""
    store, wait = machines.store, 0
    steps = [step for seconds, _ in limits for step in store.once.attempt(f"{key}|{seconds}", now, seconds)]
    while True:
        try:
            rows = await store.commit(*steps)
        except Lost:  # a count was forgotten between its two steps: somebody else's attempt has succeeded
            continue
        break
    for (_, most), row in zip(limits, rows[1::2], strict=True):
        if row is not None and row["count"] > most:
            wait = max(wait, int(row["expires_at"]) - now)
    return wait


@dataclass(frozen=True)
class Codes:
    """Tries at the codes of one person's authenticator app, whatever a code is asked for: who may guess at sign-in and at
    approving has not twice as many.

    Three codes of a million are right at a time, so tries are counted for the account alone, wherever they come from, and
    over a day: at the default of ten in a quarter of an hour and thirty in a day, who knows the password and guesses every
    day of a year gets in with a chance of one in thirty, and leaves ten thousand lines in the trail (RFC 4226 section 7.3).
    """

    machines: Machines
    user_id: str

    async def counted(self) -> int:
        """Count one more. Seconds to wait, 0 to go on."""
        return await counted(self.machines, self._key, self._limits, self.machines.clock.now())

    def forgotten(self) -> tuple[Step, ...]:
        """Begin the count anew: a code was right."""
        return tuple(self.machines.store.once.forget(f"{self._key}|{seconds}") for seconds, _ in self._limits)

    @property
    def _key(self) -> str:
        return f"second factor|{self.user_id}"

    @property
    def _limits(self) -> Limits:
        most = self.machines.settings.login_attempts
        return ((900, most), (DAY, 3 * most))
