"""A connected account as the My Account API shows it: everything but the keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from remit_server.records import ConnectedAccount


def shown(account: ConnectedAccount) -> dict[str, Any]:
    """What apps get to see. `access_type` is `offline` when it works without the person."""
    body: dict[str, Any] = {
        "id": account.id,
        "connection": account.connection,
        "access_type": "offline" if account.refresh_token else "online",
        "scopes": list(account.scopes),
        "created_at": _iso(account.created_at),
        "state": account.state,
    }
    since = None if account.failing_since is None else _iso(account.failing_since)
    optional = {"label": account.label, "cause": account.cause, "failing_since": since, "failure": account.failure}
    body.update({name: value for name, value in optional.items() if value is not None})
    if account.refresh_token is None and account.access_expires_at is not None:
        body["expires_at"] = _iso(account.access_expires_at)
    return body


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
