"""Asking again until somebody has decided: device sign-in (RFC 8628 section 3.5) and CIBA (section 11) share it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from .clock import Clock
from .errors import Unavailable
from .server import Answer, OAuthRefusal
from .single_flight import SingleFlight

_SLOWEST = 60.0
_HOLD = 10
"""Seconds. Shorter than the transport's patience."""
_PENDING = frozenset({"authorization_pending", "slow_down"})


class Poll:
    """One question to the token endpoint, asked by any number of waiters at the one pace that the server set.

    Args:
        ask: sends the question once; the server may hold its answer for so many seconds.
        interval: least seconds between two questions.
        deadline: Unix seconds after which an unanswered question counts as ``expired_token``.
    """

    def __init__(
        self, ask: Callable[[int], Awaitable[Answer]], *, interval: float, deadline: float, clock: Clock
    ) -> None:
        self._ask = ask
        self._interval = max(1.0, interval)
        self._deadline = deadline
        self._clock = clock
        self._next_at = clock.now()
        self._settled: Answer | None = None
        self._flight: SingleFlight[Answer | None] = SingleFlight()

    @property
    def poll_after(self) -> int:
        """Seconds until the server wants to be asked again."""
        return max(0, round(self._next_at - self._clock.now()))

    async def settle(self, give_up_at: float = float("inf")) -> Answer | None:
        """The final answer; or a pending one that carries a question; or None when it has not come by ``give_up_at``.

        It asks at least once where the pace allows it, so ``give_up_at`` in the past means "look, do not wait".
        """
        while self._settled is None:
            if self._next_at > give_up_at:
                await self._clock.sleep(max(0.0, give_up_at - self._clock.now()))
                return self._settled
            if (question := await self._flight("turn", lambda: self._turn(give_up_at))) is not None:
                return question
        return self._settled

    async def _turn(self, give_up_at: float) -> Answer | None:
        await self._clock.sleep(max(0.0, self._next_at - self._clock.now()))
        asked_at = self._clock.now()
        self._next_at = asked_at + self._interval  # who comes meanwhile and will not wait so long, does not
        try:
            answer = await self._ask(max(0, int(min(_HOLD, give_up_at - asked_at))))
        except Unavailable as lost:
            # A reply that got lost says nothing about the decision. RFC 8628 section 3.5: back off exponentially.
            self._interval = min(self._interval * 2, max(self._interval, _SLOWEST))
            self._wait(asked_at, lost.retry_after)
            return None
        if not isinstance(answer, OAuthRefusal) or answer.error not in _PENDING:
            self._settled = answer
            return None
        if answer.error == "slow_down":
            self._interval += 5
        self._wait(asked_at, answer.retry_after)
        return answer if self._settled is None and "interaction" in answer.members else None

    def _wait(self, asked_at: float, retry_after: int | None) -> None:
        # An answer given in time beats expiry, and the server is the judge of that: ask once at the deadline or later.
        if asked_at >= self._deadline:
            self._settled = OAuthRefusal("expired_token", {})
        pause = max(self._interval, retry_after or 0)
        self._next_at = min(asked_at + pause, max(self._deadline, asked_at + self._interval))
