"""What the organisation declares: its name, its APIs, its detail types and its policies."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field


class Need(Struct, frozen=True, kw_only=True):
    """A relation that somebody must have who does something: with a connection, by a detail type, or at an API. One of these
    three is given."""

    relation: str
    object: str
    """`type:id`, with one place at most: `{connection}`, `{scope}`, or of details the path of a member, `{account.number}`."""
    connection: str | None = None
    """A name; `*`: every connection."""
    details: str | None = None
    api: str | None = None
    scope: str | None = None
    """Of `api`; None: whatever is asked for there."""


class Organisation(Struct, frozen=True, kw_only=True):
    id: str = "organisation"
    name: str = "Remit"
    domains: tuple[str, ...] = ()
    """Of its people's e-mail addresses, in lower case. Whoever has another address is outside."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Fields of `config.Settings`, as the manifest gave them; they take effect when a server starts."""
    channels: dict[str, Any] = field(default_factory=dict)
    """How people are told: `email: {smtp, from}`, `web_push: {contact, hosts}`, `ntfy: {server, token}`, `webhooks: [{name,
    url, secret}]`. The row is sealed, since there are secrets in it."""
    needs: tuple[Need, ...] = ()
    """What takes a relation, of the person and of the agent."""
    applied: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What the manifest brought, keys by kind: only this is removed when it is no longer there."""


class Api(Struct, frozen=True, kw_only=True):
    """An OAuth resource server: one audience."""

    identifier: str
    name: str
    scopes: dict[str, str] = field(default_factory=dict)
    """Scope -> what it lets somebody do, in the words shown on the consent page."""
    authorization_details: tuple[str, ...] = ()
    undescribed_details: tuple[str, ...] = ()
    """Types that it takes although no document describes them: shown member by member, and of high risk."""
    lifetime: int = 300
    """Of its access tokens, in seconds."""
    alg: str = "RS256"
    sender_constrained: bool = False
    skip_consent: bool = False
    """First-party clients get tokens for it without a consent page."""
    dynamic_clients: bool = False
    """Self-registered clients may ask for it; the person is always asked."""


class DetailType(Struct, frozen=True, kw_only=True):
    """A kind of rich authorization request (RFC 9396 section 2): data, never code. Its form is catalog/schema/details.json."""

    type: str
    document: dict[str, Any]


class Policy(Struct, frozen=True, kw_only=True):
    """A set of Cedar policies, as text, under the name of the file it came from."""

    name: str
    text: str
