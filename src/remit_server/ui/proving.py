"""What the card says of the proof that approving takes."""

from __future__ import annotations

from remit_server.approvals import proof
from remit_server.records import Approval, User
from remit_server.runtime.machines import Machines
from remit_server.ui.views.approvals import Proof


async def proof_view(machines: Machines, approval: Approval, user: User) -> Proof:
    """How this person proves themselves for this request, or what they lack."""
    if approval.risk == "low":
        return Proof()
    has = await proof.means(machines, user)
    say, set_up = proof.lacking(machines, has) if not has.ways else ("", None)
    return Proof(needed=True, passkey="passkey" in has.ways, code="code" in has.ways, set_up=set_up, say=say)
