"""How a person is told that an agent waits for them."""

from typing import ClassVar

from msgspec import Struct

from remit_server.ui.views.parts import View, Viewer


class WayView(Struct, frozen=True, kw_only=True):
    """A way that the organisation has set up, and where it leads for this person."""

    value: str
    """`web_push`, `ntfy` or `email`."""
    label: str
    where: str | None
    """Where it leads: "2 devices", "ada@example.com"; `None`: nowhere yet."""
    lacks: str | None = None
    """What is missing, as a sentence."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of a try of one way."""

    label: str
    why: str | None
    """Why it was not sent; `None`: it was."""


class NotificationsView(View, frozen=True, kw_only=True):
    """`/notifications`. Posts `csrf`, `first`, `second`, `third`, `private`, `quiet`, `from`, `until`, `time_zone` to itself, and
    `csrf` to `/notifications/trial`."""

    template: ClassVar[str] = "notifications.html"
    csrf: str
    viewer: Viewer
    now: int
    ways: tuple[WayView, ...] = ()
    """None: the organisation has set up no way at all."""
    chosen: tuple[str, ...] = ()
    """Values of ways, in order."""
    topic: str | None = None
    """The address to subscribe to in the ntfy app, once that way is chosen."""
    private: bool = False
    quiet: tuple[str, str] | None = None
    time_zone: str = "UTC"
    zones: tuple[str, ...] = ()
    tried: tuple[Outcome, ...] = ()
    done: str | None = None
    """What just happened."""
    error: str | None = None
