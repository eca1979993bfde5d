"""Who may look at a token, and what they see (RFC 7662 section 2)."""

from __future__ import annotations

from typing import Any

from remit_server.records import Client, Token

INACTIVE: dict[str, Any] = {"active": False}
"""All that is said of a token that is unknown, expired, revoked, or not this caller's business (RFC 7662 section 2.2)."""


def may_see(caller: Client, token: Token) -> bool:
    """The client that holds it, and the API that it is meant for.

    An API sees access tokens only: for one that asks no more than `active`, a refresh token would open it for a month.
    """
    if token.client_id == caller.id:
        return True
    return token.kind == "access" and caller.api is not None and caller.api in token.audiences


def shown(token: Token, issuer: str, *, act: dict[str, Any] | None) -> dict[str, Any]:
    """The members of an active token's answer (RFC 7662 section 2.2; `act` RFC 8693 4.1, `cnf` RFC 9449 6.2,
    `authorization_details` RFC 9396 9.2)."""
    seen: dict[str, Any] = {
        "active": True,
        "iss": issuer,
        "sub": token.user_id or f"{token.client_id}@clients",
        "aud": token.audiences[0] if len(token.audiences) == 1 else list(token.audiences),
        "client_id": token.client_id,
        "scope": " ".join(token.scopes),
        "iat": token.created_at,
        "exp": token.expires_at,
        "jti": token.jti,
    }
    if token.kind == "access":
        seen["token_type"] = "DPoP" if token.jkt else "Bearer"
    optional = {
        "act": act,
        "cnf": {"jkt": token.jkt} if token.jkt else None,
        "authorization_details": list(token.details) or None,
    }
    seen.update({name: value for name, value in optional.items() if value})
    return seen
