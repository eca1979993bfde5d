"""How a person is told that an agent waits for their word: what they want, on which devices, and what is still to be told."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Way = Literal["web_push", "ntfy", "email"]


class Preferences(Struct, frozen=True, kw_only=True):
    """A person's wishes. Who has said nothing has these."""

    user_id: str
    ways: tuple[Way, ...] = ("web_push", "email")
    """In order: the first that reaches the person is enough."""
    private: bool = False
    """Leave out what the agent wants to do: it is read on the page, signed in."""
    quiet: tuple[str, str] | None = None
    """Hours of every day in which nothing is sent that can wait: `("22:00", "07:00")`, by the person's own clock."""
    time_zone: str = "UTC"
    """A name of the IANA time zone database."""
    topic: str = ""
    """The ntfy topic, made here: whoever knows it can read along, so the row is sealed and nobody chooses it."""


class PushSubscription(Struct, frozen=True, kw_only=True):
    """A browser that a push service reaches for us (Push API section 8)."""

    id: str
    """SHA-256 of the endpoint: one browser is one subscription."""
    user_id: str
    endpoint: str
    """A capability: who knows it can send to this browser."""
    p256dh: str
    """The browser's public key, base64url (RFC 8291 section 2)."""
    auth: str
    """The secret that it shares with us, base64url."""
    device: str
    """What the browser calls itself, for the person's list."""
    created_at: int


class Delivery(Struct, frozen=True, kw_only=True):
    """What is still to be told: a row is written with the request, and goes when somebody was told or nobody can be."""

    approval_id: str
    recipient: str
    """`person`, or `webhook NAME`."""
    way: str = ""
    """The way in hand; none yet, at first."""
    tries: int = 0
    """Of this way."""
    version: int = 0
    due_at: int
    """When to try (again). Who tries moves it ahead, so that nobody else does meanwhile."""
