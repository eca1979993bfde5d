"""An approval as a first-party app sees it."""

from __future__ import annotations

from typing import Any

from remit_server.records import Approval, Client


def shown(approval: Approval, client: Client | None, now: int) -> dict[str, Any]:
    """JSON for `/me/v1/approvals`: what is asked, by whom, until when, and what came of it."""
    open_ = approval.state in {"pending", "info_requested"}
    members: dict[str, Any] = {
        "id": approval.id,
        "kind": approval.kind,
        "state": "expired" if open_ and now >= approval.expires_at else approval.state,
        "version": approval.version,
        "client": {"id": approval.client_id, "name": client.name if client else approval.client_id},
        "scopes": list(approval.scopes),
        "audiences": list(approval.audiences),
        "authorization_details": list(approval.details),
        "digest": approval.digest,
        "created_at": approval.created_at,
        "expires_at": approval.expires_at,
    }
    optional = {
        "binding_message": approval.binding_message,
        "decided_at": approval.decided_at,
        "reason": approval.reason,
        "taken_at": approval.taken_at,
    }
    members.update({name: value for name, value in optional.items() if value is not None})
    return members
