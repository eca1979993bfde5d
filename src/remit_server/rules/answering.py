"""Who may answer a pending decision, and on what."""

from __future__ import annotations

import hmac

from remit_server.errors import Conflict, NotFound
from remit_server.records import Approval, User

LONGEST_REASON = 200


def addressed(approval: Approval | None, user: User) -> Approval:
    """The approval, if this person is the one who is asked; for anybody else it is not there."""
    if approval is None or approval.user_id != user.id:
        raise NotFound("There is no such request for you.")
    return approval


def judge(approval: Approval, *, version: int, digest: str, now: int) -> None:
    """Raises `Conflict` unless the person answers what is still open, and what they were shown.

    `version` and `digest` are those of the page they saw: a stale page or changed details cannot be answered.
    """
    if approval.state not in {"pending", "info_requested"}:
        raise Conflict(f"This request was {SAID[approval.state]} meanwhile.")
    if now >= approval.expires_at:
        raise Conflict("This request has expired. Nothing happened.")
    if version != approval.version or not hmac.compare_digest(digest.encode(), approval.digest.encode()):
        raise Conflict("This request changed since you opened it. Look at it again.")


SAID: dict[str, str] = {
    "approved": "approved",
    "denied": "denied",
    "expired": "expired",
    "taken": "approved",
}
