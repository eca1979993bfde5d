"""Who may answer a pending decision, on what, and what an answer may say."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any, Final

from remit_server.errors import Conflict, Forbidden, InvalidRequest, NotFound
from remit_server.records import Approval, Client, DetailType, User
from remit_server.rules import scopes

LONGEST_REASON = 200
OPEN: Final = frozenset({"pending", "info_requested"})


def addressed(approval: Approval | None, user: User) -> Approval:
    """The approval, if this person is the one who is asked; for anybody else it is not there."""
    if approval is None or approval.user_id != user.id:
        raise NotFound("There is no such request for you.")
    return approval


def carried_by(client: Client, approval: Approval) -> None:
    """Raises `Forbidden` where this client may not carry the person's answer: the one that asks, an agent, a stranger's app."""
    if approval.client_id == client.id:
        raise Forbidden("Who asks cannot answer: the person answers with another app.")
    if scopes.ANSWER not in scopes.of_account(client):
        raise Forbidden("Only the organisation's own apps may carry a person's answer, and agents never.")


def judge(approval: Approval, *, version: int, digest: str, now: int) -> None:
    """Raises `Conflict` unless the person answers what is still open, and what they were shown.

    `version` and `digest` are those of the page they saw: a stale page or changed details cannot be answered.
    """
    if approval.state not in OPEN:
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

_ITS_OWN: Final = {
    "approved": frozenset({"details", "remember", "proof"}),
    "denied": frozenset({"reason", "block", "report", "stop"}),
    "asked": frozenset({"text"}),
}


def fits(outcome: str, said: Mapping[str, Any]) -> None:
    """Raises `InvalidRequest` for what does not belong to this answer: nobody is to think that it counted."""
    if beside := sorted(
        name for name, value in said.items() if value not in (None, False) and name not in _ITS_OWN[outcome]
    ):
        raise InvalidRequest(f"{beside[0]} does not go with this answer.")
    if len(said.get("reason") or "") > LONGEST_REASON:
        raise InvalidRequest(f"A reason may have {LONGEST_REASON} characters at most.")


def editable(approval: Approval, types: Mapping[str, DetailType]) -> list[dict[str, str]]:
    """For each of the details, which members may be narrowed and in which direction."""
    known = (types.get(detail["type"]) for detail in approval.details)
    return [dict(kind.document.get("editable", {})) if kind else {} for kind in known]


def may_be_remembered(approval: Approval, types: Mapping[str, DetailType]) -> DetailType | None:
    """The one kind of which all details are, if its document lets a person say yes to it ahead, at this risk."""
    names = {detail["type"] for detail in approval.details}
    kind = types.get(names.pop()) if len(names) == 1 else None
    if kind is None or "allowance" not in kind.document or not approval.audiences or approval.kind != "ciba":
        return None
    return kind if approval.risk == "low" or kind.document["allowance"].get("high", False) else None
