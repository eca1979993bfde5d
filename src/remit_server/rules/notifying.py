"""When and how often to try to tell a person that an agent waits for their word, and what they may wish."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Final

from remit_server.errors import InvalidRequest
from remit_server.records import Preferences

WAYS: Final = ("web_push", "ntfy", "email")
FEW: Final = 3
"""Tries of a way that is not the last one: the next may reach the person while there is time to answer."""
_FIRST_PAUSE, _LONGEST_PAUSE = 5, 900
_HOUR: Final = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")


def judge(preferences: Preferences) -> None:
    """Raises `InvalidRequest` for wishes that cannot be kept. The time zone's name is looked up elsewhere."""
    if len(set(preferences.ways)) != len(preferences.ways):
        raise InvalidRequest("A way is named twice.")
    if preferences.quiet is not None:
        if not all(map(_HOUR.fullmatch, preferences.quiet)):
            raise InvalidRequest('Quiet hours are two times of day, such as ["22:00", "07:00"].')
        if preferences.quiet[0] == preferences.quiet[1]:
            raise InvalidRequest("Quiet hours end at another time than they begin.")


def held_until(preferences: Preferences, zone: tzinfo, now: int, expires_at: int) -> int:
    """Until when the person's quiet hours hold a message back; `now` when they do not.

    What would expire before they end is sent all the same: the alternative is that nobody hears of it at all.
    """
    if preferences.quiet is None:
        return now
    local = datetime.fromtimestamp(now, zone)
    begins, ends = (_minutes(each) for each in preferences.quiet)
    minute = local.hour * 60 + local.minute
    if not (begins <= minute < ends if begins < ends else minute >= begins or minute < ends):
        return now
    day = local.date() if minute < ends else local.date() + timedelta(days=1)
    over = datetime(
        day.year, day.month, day.day, ends // 60, ends % 60, tzinfo=zone
    )  # by the wall clock, also over a change
    until = int(over.timestamp())
    return until if now < until < expires_at else now


def _minutes(time_of_day: str) -> int:
    hours, _, minutes = time_of_day.partition(":")
    return int(hours) * 60 + int(minutes)


def next_try(tries: int, now: int, expires_at: int, *, last: bool) -> int | None:
    """When to try the same way again after so many tries; None: take the next way, or give up where it was the `last`."""
    if not last and tries >= FEW:
        return None
    at = now + min(_FIRST_PAUSE * 3 ** (min(tries, 8) - 1), _LONGEST_PAUSE)
    return at if at < expires_at else None


def after(way: str, ways: Sequence[str]) -> str | None:
    """The way to take when one has failed."""
    rest = ways[ways.index(way) + 1 :] if way in ways else ways
    return rest[0] if rest else None
