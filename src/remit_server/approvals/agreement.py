"""The agreement that an approval makes, held against what the organisation allows."""

from __future__ import annotations

from remit_server.errors import AccessDenied
from remit_server.records import Approval, Client, Grant, User
from remit_server.rules.details import Details
from remit_server.runtime.ids import new_id
from remit_server.runtime.machines import Machines
from remit_server.runtime.ports import Act, Permit


async def agreed(machines: Machines, client: Client | None, approval: Approval, user: User, details: Details) -> Grant:
    """To these details, which are what was asked or less. Raises `AccessDenied`."""
    if client is None:
        raise AccessDenied("The application that asked is gone.")
    act = Act(
        kind="ask", client=client, user=user, audiences=approval.audiences, scopes=approval.scopes, details=details,
        approved_by=(user.id,),
    )  # fmt: skip
    decision = await machines.decide(act)
    if not isinstance(decision, Permit):
        reason = getattr(decision, "reason", "The organisation's policy wants another person's approval.")
        raise AccessDenied(reason)
    return Grant(
        id=new_id(), client_id=client.id, user_id=user.id, scopes=approval.scopes, audiences=approval.audiences,
        details=details, created_at=machines.clock.now(),
    )  # fmt: skip
