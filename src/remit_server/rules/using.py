"""What became of an approval once its tokens were handed out: used, not yet, or never."""

from __future__ import annotations

from typing import Literal

from remit_server.records import Approval
from remit_server.rules.polling import takeable

Use = Literal["unused", "partly_used", "used", "never_used"]


def use(approval: Approval, now: int) -> Use | None:
    """How far the approved acts have been carried out; None where there are none, or nothing was approved.

    It is known of those alone that an API has spent here: one that keeps its own list of what is spent tells nobody.
    """
    if approval.state not in {"approved", "taken"} or not approval.approved:
        return None
    if approval.spent == (1 << len(approval.approved)) - 1:
        return "used"
    good = takeable(approval, now) if approval.state == "approved" else now < (approval.use_until or 0)
    if approval.spent:
        return "partly_used"
    return "unused" if good else "never_used"
