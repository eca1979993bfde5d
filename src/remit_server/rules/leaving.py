"""Where a browser may go after signing out, and whether a hint is about the session that it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from remit_server.errors import InvalidRequest
from remit_server.records import Client, Session


def target(client: Client | None, asked: str | None, *, state: str | None, name: str) -> str | None:
    """The address to go to, with `state` added; None for our own page. Raises `InvalidRequest`, shown and never redirected,
    for one that is not registered for the client, character for character (RP-Initiated Logout 1.0 section 3)."""
    if asked is None:
        return None
    if client is None or asked not in client.post_logout_redirect_uris:
        raise InvalidRequest(f"The address to go to afterwards ({name}) is not registered for this app.")
    if state is None:
        return asked
    return asked + ("&" if "?" in asked else "?") + "state=" + quote(state, safe="")


def is_about(claims: Mapping[str, Any], session: Session) -> bool:
    """Whether an ID token came from this session: the app that shows it was signed in to here, so nobody is asked."""
    return claims.get("sub") == session.user_id and claims.get("sid") in {session.sid, *session.before}
