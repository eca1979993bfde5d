"""Consent, and the way back to the app."""

from typing import ClassVar, Literal

from msgspec import Struct

from remit_server.ui.views.parts import Agent, Detail, View, Viewer


class Permission(Struct, frozen=True, kw_only=True):
    """A scope in plain words."""

    scope: str
    words: str
    """Reads on after "It will be able to": "see your portfolio"."""
    audience: str | None = None
    """The API that it is for, by its name."""
    risk: Literal["reads", "changes", "high"] = "reads"
    optional: bool = False
    """May be unticked."""
    ticked: bool = True


class ConsentView(View, frozen=True, kw_only=True):
    """`/consent`. Posts `csrf`, `resume`, `scope` (the ticked ones, repeated), `answer` (`allow`, `cancel`)."""

    template: ClassVar[str] = "consent.html"
    csrf: str
    resume: str
    viewer: Viewer
    now: int
    agent: Agent
    purpose: str | None = None
    """The agent's own description of itself; shown as a quotation."""
    return_host: str
    """Host that the browser goes back to, or an app's own scheme."""
    acting_as: str
    """Whom it will act for: "Ada Lovelace at Acme"."""
    permissions: tuple[Permission, ...] = ()
    details: tuple[Detail, ...] = ()
    lasts: str
    """How long, as a sentence: "Until you take it back, or 30 days without use."."""
    away: bool = False
    """It may go on while the person is away (`offline_access`)."""
    still_asks: tuple[str, ...] = ()
    """What it has to ask for each time: "every order at a broker"."""


class ReturnView(View, frozen=True, kw_only=True):
    """Sends the browser on to an app without a form, so that `form-action` can stay at this origin."""

    template: ClassVar[str] = "return.html"
    href: str
    """The full redirect target, response parameters included."""
    client_name: str


class FormPostView(View, frozen=True, kw_only=True):
    """Sends response parameters on as a form (OAuth 2.0 Form Post Response Mode); the page's `form_targets` hold the origin
    of `action`."""

    template: ClassVar[str] = "form-post.html"
    action: str
    """The client's redirect URI."""
    fields: tuple[tuple[str, str], ...]
    """Names and values, sent byte for byte."""
