"""What a person agreed to, and the artefacts that stand for it.

A grant is the agreement; codes and tokens hang on it. Revoking the grant kills them all in one row. Artefacts are kept
under the SHA-256 of their value: reading the database yields nothing to present.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field


class Grant(Struct, frozen=True, kw_only=True):
    """One person's agreement with one client."""

    id: str
    client_id: str
    user_id: str
    sid: str | None = None
    scopes: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    details: tuple[dict[str, Any], ...] = ()
    return_to: str = ""
    """Origin that the browser went back to: a remembered consent holds for it alone. Empty where nobody was asked in it."""
    auth_time: int | None = None
    amr: tuple[str, ...] = ()
    acr: str | None = None
    created_at: int = 0
    revoked_at: int | None = None
    revoked_why: str | None = None


class Code(Struct, frozen=True, kw_only=True):
    """An authorization code (RFC 6749 section 4.1.2) with all that its redemption is held against."""

    hash: str
    grant_id: str
    client_id: str
    user_id: str
    redirect_uri: str
    redirect_uri_given: bool = True
    challenge: str = ""
    """PKCE S256 challenge (RFC 7636)."""
    nonce: str | None = None
    scopes: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    details: tuple[dict[str, Any], ...] = ()
    dpop_jkt: str | None = None
    created_at: int = 0
    expires_at: int = 0
    used_at: int | None = None


class Token(Struct, frozen=True, kw_only=True):
    """An issued access or refresh token. `hash` is the SHA-256 of the whole token string."""

    hash: str
    kind: Literal["access", "refresh"]
    jti: str
    client_id: str
    user_id: str | None = None
    grant_id: str | None = None
    scopes: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    details: tuple[dict[str, Any], ...] = ()
    actors: tuple[dict[str, Any], ...] = ()
    """The `act` chain, newest actor first (RFC 8693 section 4.1)."""
    jkt: str | None = None
    """Thumbprint of the DPoP key that the token is bound to (RFC 9449 section 6)."""
    nonce: str | None = None
    sid: str | None = None
    created_at: int = 0
    expires_at: int = 0
    used_at: int | None = None
    """Refresh tokens: when it was rotated."""
    retried_at: int | None = None
    """Refresh tokens: when a lost reply was answered again; it happens once."""
    successor: str | None = None
    """Refresh tokens: hash of the token that the rotation issued."""
    revoked_at: int | None = None


class PushedRequest(Struct, frozen=True, kw_only=True):
    """A pushed authorization request (RFC 9126); used when the authorization completes, not when its page is first seen."""

    hash: str
    client_id: str
    parameters: dict[str, Any] = field(default_factory=dict)
    dpop_jkt: str | None = None
    created_at: int = 0
    expires_at: int = 0
    used_at: int | None = None
