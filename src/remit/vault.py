"""Pillar 2, from the agent's side: a short-lived token of an account that the user has connected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .errors import ConnectRequired, Misconfigured, Unavailable, UserAway
from .issuer import Issuer
from .server import OAuthRefusal
from .session import Session
from .tokens import Token
from .transport import require_secure

_GRANT = "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token"
_REQUESTED = "http://auth0.com/oauth/token-type/federated-connection-access-token"
RECONNECT = {
    "federated_connection_refresh_token_not_found": "not_connected",
    "federated_connection_refresh_token_flow_failed": "revoked_upstream",
}
"""Error -> why, where the server does not say it more exactly."""
_REASONS = frozenset({"not_connected", "missing_scopes", "limited", "away"})


async def borrow(session: Session, connection: str, scopes: Sequence[str], account: str | None) -> Token:
    """Exchange what stands for the user for the provider's access token. Nothing is kept: each call is decided anew.

    Raises:
        ConnectRequired: with the link at which the user connects the account or grants the missing scopes.
        UserAway: with the link at which the user allows the account to be used while they are away.
        SignInRequired: there is no user behind the session.
        NotAllowed: this agent may not use this connection.
        Unavailable: no usable answer.
    """
    issuer = session.server.issuer
    answer = await session.exchange(
        {
            "grant_type": _GRANT,
            "requested_token_type": _REQUESTED,
            "connection": connection,
            "scope": " ".join(scopes) or None,
            "login_hint": account,
        }
    )
    if isinstance(answer, OAuthRefusal):
        raise not_lent(issuer, answer.error, answer.members, connection, scopes) or answer.as_error()
    value, granted, lifetime = (answer.get(name) for name in ("access_token", "scope", "expires_in"))
    if not isinstance(value, str) or not value:
        raise Unavailable("the vault gave no token")
    held = frozenset(granted.split()) if isinstance(granted, str) else frozenset()
    if missing := [scope for scope in scopes if scope not in held]:
        raise ConnectRequired(connection, url=link_of(issuer, answer), missing_scopes=missing, reason="missing_scopes")
    clock = session.server.clock
    ends = int(clock.now()) + lifetime if isinstance(lifetime, int) else None
    return Token(value, scopes=held, expires_at=ends, clock=clock)


def not_lent(
    issuer: Issuer, error: str, members: Mapping[str, Any], connection: str, scopes: Sequence[str] = ()
) -> ConnectRequired | None:
    """What the user has to do before an account of theirs can be used; None when the error is another one."""
    if error not in RECONNECT:
        return None
    said, link = members.get("reason"), link_of(issuer, members)
    reason = said if isinstance(said, str) and said in _REASONS else RECONNECT[error]
    if reason == "away":
        return UserAway(connection, url=link)
    missing = scopes if reason in {"not_connected", "missing_scopes"} else ()
    return ConnectRequired(connection, url=link, missing_scopes=missing, reason=reason)


def link_of(issuer: Issuer, members: Mapping[str, Any]) -> str:
    # The person follows this link, so it has to be one that may be followed; their page of accounts always is.
    try:
        return require_secure(members.get("connect_uri"), what="connect_uri")
    except Misconfigured:
        return issuer.page("accounts")
