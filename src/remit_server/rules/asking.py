"""How often a person may be asked: an agent that hears no, or nothing, waits longer each time (RFC 10027, attack 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

WINDOW: Final = 3600
"""Seconds in which requests are counted against the budgets."""
FORGIVEN: Final = 3
"""So many refusals or silences in a row cost nothing."""
SHORTEST, LONGEST = 60, 3600
REMEMBERED: Final = FORGIVEN + 6
"""Newest requests that are looked at: by then the pause is as long as it gets."""


def pause(newest_first: Sequence[Mapping[str, Any]], now: int) -> int:
    """Seconds that this agent must leave this person alone; 0 when it may ask. A yes makes good for all before it.

    Of each request there is `state`, `expires_at` and `decided_at`.
    """
    vain, since = 0, 0
    for one in newest_first:
        waits = one["state"] in {"pending", "info_requested"}
        if waits and now < one["expires_at"]:
            continue
        if one["state"] in {"approved", "taken"}:
            break
        vain += 1
        ended = one["expires_at"] if waits or one["decided_at"] is None else one["decided_at"]
        since = max(since, int(ended))
    if vain < FORGIVEN:
        return 0
    longest: int = min(SHORTEST << (vain - FORGIVEN), LONGEST)
    return max(0, since + longest - now)
