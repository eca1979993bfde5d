"""Requests for approval by idempotency key: a step that runs again must not ask the person again."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any
from weakref import WeakValueDictionary

from . import details as rar
from .approvals import Approval
from .clock import Clock
from .errors import DetailsChanged
from .single_flight import SingleFlight

_KEPT = 24 * 3600
"""Seconds for which a key is remembered after its request has ended, so that a late repetition finds the old answer."""


class Requests:
    """This process's memory of what it asked. Frameworks re-run a step from its start after each pause."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._filed: dict[tuple[str, str], tuple[list[dict[str, Any]], Approval]] = {}
        self._in_use: WeakValueDictionary[str, Approval] = WeakValueDictionary()
        self._flight: SingleFlight[Approval] = SingleFlight()

    def known(self, approval_id: str) -> Approval | None:
        """The object that already polls this request: two that do not know of each other would poll too fast."""
        return self._in_use.get(approval_id)

    def keep(self, approval: Approval) -> Approval:
        """Make it known."""
        self._in_use[approval.id] = approval
        return approval

    async def once(
        self,
        sub: str,
        key: str,
        details: list[dict[str, Any]],
        file: Callable[[], Coroutine[Any, Any, Approval]],
    ) -> Approval:
        """The request that was filed for this user under this key, or a new one.

        Raises:
            DetailsChanged: the key stands for other details. "Approve 10, execute 1000" begins like this.
        """
        self._forget()
        if (sub, key) not in self._filed:
            approval = await self._flight((sub, key, rar.digest(details)), file)
            self._filed.setdefault((sub, key), (details, approval))
        asked, approval = self._filed[sub, key]
        if (changed := _difference(asked, details)) is not None:
            raise DetailsChanged(changed, asked, details)
        return approval

    def _forget(self) -> None:
        now = self._clock.now()
        for key, (_, approval) in list(self._filed.items()):
            if approval.expires_at is not None and approval.expires_at + _KEPT < now:
                del self._filed[key]


def _difference(asked: Sequence[rar.Detail], details: Sequence[rar.Detail]) -> str | None:
    if len(asked) != len(details):
        return "authorization_details"
    return next((name for pair in zip(asked, details, strict=True) if (name := rar.difference(*pair))), None)
