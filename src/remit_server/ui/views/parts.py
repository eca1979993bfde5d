"""Pieces that several pages share."""

from typing import ClassVar

from msgspec import Struct


class View(Struct, frozen=True, kw_only=True):
    """The context of one template, which sees it as `view`."""

    template: ClassVar[str]
    """File in `ui/templates`."""
    script_urls: ClassVar[tuple[str, ...]] = ()
    """Trusted Types policies by which a script of the page names another: for a service worker, and on no other page."""


class Viewer(Struct, frozen=True, kw_only=True):
    """The person who is signed in."""

    name: str
    email: str
    administrator: bool = False
    """Shows the console in the navigation; the console itself checks again."""
    waiting: int = 0
    """Approvals that wait for this person."""


class Agent(Struct, frozen=True, kw_only=True):
    """An agent or other client as people get to know it. Everything here but the flags was chosen by its maker."""

    name: str
    owner: str | None = None
    """Name of the person who answers for it; `None` shows as "nobody answers for it"."""
    registered_at: int | None = None
    self_registered: bool = False
    """Came by dynamic registration: nobody here has looked at it."""
    last_asked_at: int | None = None


class Fact(Struct, frozen=True, kw_only=True):
    """One line of a list of facts."""

    label: str
    value: str
    emphasis: bool = False
    """The line that limits what can happen, such as the most that will be spent."""
    block: bool = False
    """The value is a text with lines of its own."""


class Detail(Struct, frozen=True, kw_only=True):
    """An `authorization_details` entry (RFC 9396) in the words of its type."""

    sentence: str
    """What is to be allowed, from our template of the type: "place one order at Broker"."""
    facts: tuple[Fact, ...]
    known: bool = True
    """False: no such type in the catalog; shown with a warning and treated as high risk."""


class Choice(Struct, frozen=True, kw_only=True):
    """One option of a filter."""

    value: str
    label: str
