"""An approval, and an allowance, as a first-party app sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit_server.records import Allowance, Approval, DetailType
from remit_server.rules import answering, thread, using
from remit_server.runtime.machines import Machines
from remit_server.wire.details import known_types


async def shown(
    machines: Machines, approval: Approval, types: Mapping[str, DetailType] | None = None
) -> dict[str, Any]:
    """JSON for `/me/v1/approvals`: what is asked, by whom, until when, what may be answered, and what came of it."""
    now = machines.clock.now()
    open_ = approval.state in answering.OPEN
    waits = open_ and now < approval.expires_at
    members: dict[str, Any] = {
        "id": approval.id,
        "kind": approval.kind,
        "state": "expired" if open_ and not waits else approval.state,
        "version": approval.version,
        "client": await _client(machines, approval.client_id),
        "scopes": list(approval.scopes),
        "audiences": list(approval.audiences),
        "authorization_details": list(approval.details),
        "digest": approval.digest,
        "risk": approval.risk,
        "risk_why": list(approval.risk_why),
        "unusual": list(approval.unusual),
        "nonce": approval.nonce,
        "thread": [{"by": each.by, "at": each.at, "text": each.text} for each in approval.thread],
        "created_at": approval.created_at,
        "expires_at": approval.expires_at,
    }
    if waits:
        types = await known_types(machines) if types is None else types
        editable = answering.editable(approval, types)
        can = {
            "edit": any(editable),
            "ask": thread.can_ask(approval),
            "remember": answering.may_be_remembered(approval, types) is not None,
        }
        members |= {"editable": editable, "can": [name for name, may in can.items() if may]}
    if approval.approved:
        members |= {
            "approved_details": list(approval.approved),
            "approved_digest": approval.approved_digest,
            "changes": list(approval.changes),
            "use": await use_of(machines, approval),
        }
    optional = {
        "binding_message": approval.binding_message,
        "decided_at": approval.decided_at,
        "reason": approval.reason,
        "taken_at": approval.taken_at,
        "used_at": approval.spent_at,
        "used_by": approval.spent_by,
        "allowance_id": approval.allowance_id,
        "allowance_given": approval.allowance_given,
        "proven": None if approval.evidence is None else True,
    }
    members.update({name: value for name, value in optional.items() if value is not None})
    return members


async def use_of(machines: Machines, approval: Approval) -> using.Use | None:
    """How far what was approved has been carried out."""
    use = using.use(approval, machines.clock.now())
    if use != "unused":
        return use
    grant = await machines.store.grants.get(approval.grant_id or "")
    return "never_used" if grant is None or grant.revoked_at is not None else use


async def _client(machines: Machines, client_id: str) -> dict[str, str]:
    client = await machines.store.clients.get(client_id)
    return {"id": client_id, "name": client.name if client else client_id}


async def allowance_shown(machines: Machines, allowance: Allowance) -> dict[str, Any]:
    """JSON for `/me/v1/allowances`."""
    over = allowance.revoked_at is not None or allowance.expires_at <= machines.clock.now()
    members: dict[str, Any] = {
        "id": allowance.id,
        "client": await _client(machines, allowance.client_id),
        "type": allowance.type,
        "audiences": list(allowance.audiences),
        "scopes": list(allowance.scopes),
        "limits": allowance.limits,
        "times": allowance.times,
        "uses": allowance.uses,
        "created_at": allowance.created_at,
        "expires_at": allowance.expires_at,
        "holds": not over and allowance.uses < allowance.times,
    }
    optional = {
        "currency": allowance.currency,
        "per_act": allowance.per_act if allowance.currency else None,
        "total": allowance.total if allowance.currency else None,
        "spent": allowance.spent if allowance.currency else None,
        "used_at": allowance.used_at,
        "revoked_at": allowance.revoked_at,
    }
    members.update({name: value for name, value in optional.items() if value is not None})
    return members
