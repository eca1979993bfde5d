"""Scopes: what may be granted of what is asked, and which claims a scope opens (OIDC Core section 5.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from remit_server.errors import InvalidScope
from remit_server.records import Client, User

IDENTITY = ("openid", "profile", "email", "offline_access", "groups")
"""Scopes about the person rather than an API."""

ACCOUNT = (
    "create:me:connected_accounts", "read:me:connected_accounts", "delete:me:connected_accounts",
    "read:me:approvals", "answer:me:approvals",
    "read:me:allowances", "delete:me:allowances", "read:me:agents", "update:me:agents",
    "read:me:passkeys", "update:me:passkeys", "delete:me:passkeys",
    "read:me:notifications", "update:me:notifications",
)  # fmt: skip
"""Scopes of our own API for the person's account, whose audience is `{issuer}me/`."""

VAULT = ("vault:proxy",)
"""Scopes of the vault, whose audience is `{issuer}vault/`. They open nothing by themselves: of each call it is asked what
the organisation allows and what the person lends."""

ANSWER = "answer:me:approvals"
PASSKEYS = frozenset(scope for scope in ACCOUNT if scope.endswith(":passkeys"))
NOTIFICATIONS = frozenset(scope for scope in ACCOUNT if scope.endswith(":notifications"))
STANDING = frozenset(scope for scope in ACCOUNT if scope.endswith((":allowances", ":agents")))
"""What agents may do without asking, and which of them may not ask: no agent is to read its own limits."""
_OWN = {ANSWER, *PASSKEYS, *NOTIFICATIONS, *STANDING}
"""For the organisation's own apps in a person's hand."""
_IN_HAND = frozenset({"web", "native", "spa"})
"""Kinds of client that a person operates; the others act by themselves."""

_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 section 3.3


def parse(text: str | None) -> tuple[str, ...]:
    """The scopes in a `scope` parameter, in order, each once. Raises `InvalidScope` for characters no scope may have."""
    wanted = tuple(dict.fromkeys((text or "").split(" ")) if text else ())
    wanted = tuple(scope for scope in wanted if scope)
    for scope in wanted:
        if not _TOKEN.fullmatch(scope):
            raise InvalidScope("A scope has a character that scopes may not have (RFC 6749 section 3.3).")
    return wanted


def grantable(client: Client, wanted: Iterable[str], allowed: Iterable[str], *, strict: bool) -> tuple[str, ...]:
    """The part of `wanted` that the client may have: identity scopes, and `allowed` ones of the API asked for.

    `strict` raises `InvalidScope` for the rest; otherwise it is left out, and the answer's `scope` tells so (RFC 6749
    section 3.3). Self-registered clients get what they registered for, like any other.
    """
    open_ = {*IDENTITY, *allowed}
    granted = tuple(scope for scope in wanted if scope in open_)
    if strict and len(granted) != len(tuple(wanted)):
        missing = next(scope for scope in wanted if scope not in open_)
        raise InvalidScope(f"The scope {missing!r} is unknown or not allowed for this client.")
    if "offline_access" in granted and "refresh_token" not in client.grants:
        granted = tuple(scope for scope in granted if scope != "offline_access")
    return granted


def of_account(client: Client) -> tuple[str, ...]:
    """The scopes of a person's account that a client may ask for.

    Answers come from the organisation's own apps in a person's hand. An agent that could answer would say yes to what another
    agent asks, and two that collude would need nobody; and how a person signs in is no agent's business. A client that
    registered itself has no business there at all.
    """
    if client.dynamic:
        return ()
    if client.first_party and client.kind in _IN_HAND:
        return ACCOUNT
    return tuple(scope for scope in ACCOUNT if scope not in _OWN)


def of_vault(client: Client) -> tuple[str, ...]:
    """The scopes of the vault that a client may ask for: those who borrow nowhere have no business there."""
    return VAULT if client.connections else ()


def claims_of(user: User, scopes: Iterable[str]) -> dict[str, Any]:
    """The claims about a person that these scopes open."""
    open_ = set(scopes)
    claims: dict[str, Any] = {}
    if "profile" in open_:
        if user.name:
            claims["name"] = user.name
        claims.update({k: v for k, v in user.profile.items() if k not in {"sub", "email", "email_verified", "groups"}})
        claims["updated_at"] = user.updated_at or user.created_at
    if "email" in open_ and user.email:
        claims["email"] = user.email
        claims["email_verified"] = user.email_verified
    if "groups" in open_:
        claims["groups"] = list(user.groups)
    return claims
