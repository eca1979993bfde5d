"""The timeline."""

from typing import ClassVar, Literal

from msgspec import Struct

from remit_server.ui.views.parts import Choice, View, Viewer


class Happening(Struct, frozen=True, kw_only=True):
    """One event, as one sentence."""

    at: int
    sentence: str
    actors: tuple[str, ...] = ()
    """The chain, first the person: ("Ada Lovelace", "Trading assistant", "Broker")."""
    outcome: Literal["done", "refused"] = "done"
    href: str | None = None
    """What it belongs to, such as its approval."""


class Chain(Struct, frozen=True, kw_only=True):
    """The state of the hash chain."""

    events: int
    checked_at: int
    broken_at: int | None = None
    """Number of the first event that does not verify; `None` when all do."""


class ActivityView(View, frozen=True, kw_only=True):
    """`/activity?agent=`."""

    template: ClassVar[str] = "activity.html"
    viewer: Viewer
    now: int
    chain: Chain
    happenings: tuple[Happening, ...] = ()
    """Latest first; the page groups them by day, UTC."""
    agents: tuple[Choice, ...] = ()
    agent: str = ""
    """The chosen value; empty for all."""
    export_href: str
    older_href: str | None = None
