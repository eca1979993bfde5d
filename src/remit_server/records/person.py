"""The human: account, browser session, and the errand a browser is on."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field


class User(Struct, frozen=True, kw_only=True):
    """A person (OIDC Core section 5.1 names the claims)."""

    id: str
    """The `sub`. Looks like `strategy|id`: `auth0|ada`, `remit|01J…`, `oidc|connection|upstream-sub`."""
    email: str | None = None
    email_verified: bool = False
    name: str | None = None
    state: Literal["active", "blocked"] = "active"
    groups: tuple[str, ...] = ()
    administrator: bool = False
    password: str | None = None
    """An argon2id PHC string."""
    password_changed_at: int = 0
    backchannel_user_code: str | None = None
    """An argon2id PHC string of the code that an agent must bring to ask them (CIBA Core 1.0 section 7.1)."""
    upstream: tuple[str, str] | None = None
    """(connection name, subject there) when the person signs in through another provider."""
    profile: dict[str, Any] = field(default_factory=dict)
    """Further standard claims: picture, locale, …"""
    created_at: int = 0
    updated_at: int = 0


class SecondFactor(Struct, frozen=True, kw_only=True):
    """What a person proves besides a password: an authenticator app that shares a secret with us (RFC 6238)."""

    user_id: str
    kind: Literal["totp"] = "totp"
    secret: str
    """Base 32, as authenticator apps take it. Sealed with the row."""
    confirmed_at: int
    """When the person showed that their app has the secret; a factor that nobody confirmed is not kept at all."""
    last_step: int
    """Time step of the newest code that was accepted: that one and older ones are spent (RFC 6238 section 5.2)."""


class Session(Struct, frozen=True, kw_only=True):
    """A signed-in browser. The cookie holds a random value; `hash` is its SHA-256."""

    hash: str
    sid: str
    """Public session id, as in ID tokens and logout tokens (OIDC Back-Channel Logout 1.0)."""
    user_id: str
    auth_time: int
    amr: tuple[str, ...] = ("pwd",)
    """Authentication methods (RFC 8176)."""
    acr: str = "urn:remit:acr:1fa"
    created_at: int = 0
    expires_at: int = 0
    ended_at: int | None = None
    errand: str | None = None
    """Hash of the errand in which the person signed in: that one asked for a fresh sign-in and got it."""
    before: tuple[str, ...] = ()
    """Public ids of the sessions that this one took over from, by signing in again: their clients hear of its end, too."""
    agent: str = ""
    """The browser's own name for itself, for the person's list of sessions."""
    address: str = ""


class Interaction(Struct, frozen=True, kw_only=True):
    """A browser's errand that must survive sign-in and consent: one validated authorization request."""

    hash: str
    kind: Literal["authorize", "sign_in", "sign_out", "upstream", "set_up", "second_factor", "enrol"]
    client_id: str | None = None
    browser: str = ""
    """SHA-256 of the browser cookie the errand began in: another browser cannot continue it."""
    request: dict[str, Any] = field(default_factory=dict)
    """The validated parameters, as the rule returned them."""
    created_at: int = 0
    expires_at: int = 0
    done_at: int | None = None
