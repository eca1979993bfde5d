"""The agent replies to what the person wants to know first, and the person hears of it."""

from __future__ import annotations

from remit_server.approvals.ask import wakes
from remit_server.approvals.channels.outbox import filed
from remit_server.errors import Conflict
from remit_server.records import Approval
from remit_server.rules import thread
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost


async def reply(machines: Machines, approval: Approval, text: str | None, *, address: str | None = None) -> Approval:
    """The request, pending once more until it expires. Raises `Conflict` when no question is open, `InvalidRequest` for a text
    that may not be shown."""
    store, now = machines.store, machines.clock.now()
    replied = thread.replied(approval, text, now)
    event = machines.event(
        "approval.answered_question", user=approval.user_id, client=approval.client_id, subject=approval.id,
        address=address, text=replied.thread[-1].text,
    )  # fmt: skip
    told = await filed(machines, replied, again=True)
    try:
        await store.commit(store.approvals.reply(replied, now), *told, events=(event,), wakes=wakes(approval))
    except Lost as error:
        raise Conflict("No question is open here.") from error
    return replied
