"""How much is at stake in a request, as of the moment in which it is asked."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from remit_server.records import Approval
from remit_server.rules import risk
from remit_server.runtime.machines import Machines
from remit_server.wire.details import known_types

EARLIER: Final = 50
"""Approvals of the same person for the same agent that tell what is usual."""


async def weighed(machines: Machines, approval: Approval) -> Approval:
    """With its risk, and what is not as usual about it."""
    if not approval.details:
        return approval
    store = machines.store
    organisation = await store.organisation.get("organisation")
    before = await store.approvals.approved(approval.client_id, approval.user_id or "", EARLIER)
    known = risk.Known(
        earlier=tuple(detail for each in before for detail in each.approved),
        domains=frozenset(organisation.domains if organisation else ()),
    )
    found = risk.judge(approval.details, await known_types(machines), known)
    return replace(approval, risk=found.tier, risk_why=found.why, unusual=found.unusual)
