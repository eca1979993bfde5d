"""How times, links and typed text read on a page: the filters of the templates. Pure; `now` comes from the view."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import groupby
from typing import Any
from urllib.parse import quote, urlsplit

from markupsafe import Markup, escape

from remit_server.rules.visible import reveal
from remit_server.ui.reveal import reveal_lines
from remit_server.ui.views.activity import Happening

MINUTE, HOUR, DAY = 60, 3600, 86400
_SCRIPT_SCHEMES = frozenset({"javascript", "data", "vbscript", "blob", "filesystem"})


def utc(at: int) -> str:
    """A moment for the `datetime` attribute: `2026-11-22T14:01:07Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(at: int) -> str:
    """Time of day, UTC: `14:01`."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M")


def date(at: int, now: int) -> str:
    """A day, UTC: `3 Nov`, with its year when that is not this one."""
    then, today = datetime.fromtimestamp(at, UTC), datetime.fromtimestamp(now, UTC)
    return f"{then.day} {then:%b}" if then.year == today.year else f"{then.day} {then:%b %Y}"


def day(at: int, now: int) -> str:
    """A day as a heading, UTC: `Today`, `Yesterday`, `3 Nov`."""
    days = now // DAY - at // DAY
    return {0: "Today", 1: "Yesterday"}.get(days, date(at, now))


def by_day(happenings: Iterable[Happening], now: int) -> list[tuple[str, list[Happening]]]:
    """Neighbours of one day, UTC, under that day's heading."""
    return [(heading, list(group)) for heading, group in groupby(happenings, lambda event: day(event.at, now))]


def ago(at: int, now: int) -> str:
    """How long since, which needs no time zone: `just now`, `4 min ago`, `3 h ago`, `yesterday`, then the date."""
    passed = now - at
    if passed < MINUTE:
        return "just now"
    if passed < HOUR:
        return f"{passed // MINUTE} min ago"
    if passed < DAY:
        return f"{passed // HOUR} h ago"
    return "yesterday" if passed < 2 * DAY else date(at, now)


def left(until: int, now: int) -> str:
    """Time left, as `static/countdown.js` goes on to write it: `4:12`, `3 h 20 min`, `5 days`."""
    seconds = max(0, until - now)
    if seconds < HOUR:
        return f"{seconds // MINUTE}:{seconds % MINUTE:02}"
    if seconds < 2 * DAY:
        minutes = seconds % HOUR // MINUTE
        return f"{seconds // HOUR} h {minutes} min" if minutes else f"{seconds // HOUR} h"
    return f"{seconds // DAY} days"


def link(target: str) -> str:
    """A target for `href`. Refuses the schemes that run as script, whatever was registered.

    Raises:
        ValueError: the scheme is one of those, or the target holds a character that browsers skip when they read it.
    """
    if not target.isprintable() or target != target.strip() or urlsplit(target).scheme.lower() in _SCRIPT_SCHEMES:
        raise ValueError("not a target for a link")
    return target


def segment(name: str) -> str:
    """An id as one segment of a path, whatever it holds: `dcr/1` as `dcr%2F1`."""
    return quote(name, safe="", errors="replace")


def host(target: str) -> str:
    """Where a link leads, for reading: `broker.example:8443`; an app's own scheme as `com.example.app:`."""
    parts = urlsplit(target)
    return parts.netloc.rpartition("@")[2] or f"{parts.scheme}:"


def typed(text: str) -> Markup:
    """What this very person typed, to go back into its field as it was: escaped, and nothing replaced."""
    return escape(text)


def initial(name: str) -> str:
    """The letter on a name's tile."""
    return next((character.upper() for character in name if character.isalnum()), "?")


def fours(key: str) -> str:
    """In groups of four, as a key is typed; apps leave the spaces out."""
    return " ".join(key[start : start + 4] for start in range(0, len(key), 4))


def breakable(name: str) -> Markup:
    """An address or identifier that may wrap after its punctuation, where reading survives it."""
    return Markup("<wbr>").join(escape(part) for part in _pieces(name))


def _pieces(name: str) -> list[str]:
    pieces = [""]
    for character in reveal(name):
        pieces[-1] += character
        if character in "/?&@":
            pieces.append("")
    return pieces


FILTERS: dict[str, Callable[..., Any]] = {
    "ago": ago,
    "by_day": by_day,
    "breakable": breakable,
    "clock": clock,
    "date": date,
    "fours": fours,
    "host": host,
    "initial": initial,
    "json": json.dumps,
    "left": left,
    "lines": reveal_lines,
    "link": link,
    "segment": segment,
    "typed": typed,
    "utc": utc,
}
