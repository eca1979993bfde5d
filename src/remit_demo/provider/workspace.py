"""What people keep at Meridian: a calendar each, and chat channels that they share."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

CHANNELS = ("general", "trading")


@dataclass(frozen=True, slots=True)
class Event:
    """An appointment; times are seconds since the epoch, UTC."""

    title: str
    starts_at: int
    ends_at: int

    def to_json(self) -> dict[str, Any]:
        """Return the API's form of it."""
        return {"title": self.title, "starts_at": self.starts_at, "ends_at": self.ends_at}


@dataclass(slots=True)
class Workspace:
    """Everybody's data, by account id."""

    calendars: dict[str, list[Event]] = field(default_factory=dict)
    messages: list[dict[str, str]] = field(default_factory=list)

    def events(self, account_id: str) -> list[Event]:
        """Return an account's appointments in the order in which they begin."""
        return sorted(self.calendars.get(account_id, []), key=lambda event: event.starts_at)

    def add(self, account_id: str, event: Event) -> None:
        """Put an appointment into an account's calendar."""
        self.calendars.setdefault(account_id, []).append(event)


def furnished(day: date, account_ids: dict[str, str]) -> Workspace:
    """Return a workspace in which Ada and Bob have appointments on ``day``.

    Args:
        day: the day to fill, UTC.
        account_ids: the account id of ``ada`` and of ``bob``.
    """
    midnight = datetime.combine(day, time(), UTC)

    def event(title: str, hour: int, minute: int, minutes: int) -> Event:
        start = midnight + timedelta(hours=hour, minutes=minute)
        return Event(title, int(start.timestamp()), int((start + timedelta(minutes=minutes)).timestamp()))

    calendars = {
        "ada": [
            event("Stand-up", 9, 15, 15),
            event("Zeko results call", 14, 0, 45),
            event("Dinner with Charles", 19, 30, 120),
        ],
        "bob": [event("Risk committee", 10, 0, 60)],
    }
    return Workspace({account_ids[name]: calendar for name, calendar in calendars.items() if name in account_ids})
