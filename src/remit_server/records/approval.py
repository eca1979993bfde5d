"""One pending decision. CIBA, the device flow and a policy that demands approval are three ways into it."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from remit_server.records.evidence import Evidence

ApprovalState = Literal["pending", "info_requested", "approved", "denied", "expired", "taken"]


class Message(Struct, frozen=True, kw_only=True):
    """What one of the two has said about a request. Text of theirs: to be shown, never to be followed."""

    by: Literal["agent", "person"]
    at: int
    text: str


class Approval(Struct, frozen=True, kw_only=True):
    """What somebody is asked, and what came of it. What is asked never changes: another question is another record."""

    id: str
    kind: Literal["ciba", "device", "policy"]
    client_id: str
    handle: str
    """SHA-256 of the auth_req_id or device_code that the client polls with."""
    user_id: str | None = None
    """Who is asked; for the device flow nobody yet, until somebody signs in and enters the code."""
    user_code: str | None = None
    """SHA-256 of the normalised device user code (RFC 8628 section 6.1)."""
    scopes: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    details: tuple[dict[str, Any], ...] = ()
    digest: str = ""
    """SHA-256, base64url, of the canonical JSON (RFC 8785) of `details`."""
    risk: Literal["low", "high"] = "low"
    """high: whoever approves proves who they are."""
    risk_why: tuple[str, ...] = ()
    unusual: tuple[str, ...] = ()
    """What is not as usual, as of the moment in which it was asked; in words of the detail types."""
    nonce: str = ""
    """Goes into what a passkey signs, so that no signature fits two requests."""
    thread: tuple[Message, ...] = ()
    """What was asked back, and replied, oldest first. While the last word is the person's, the state is `info_requested`."""
    approved: tuple[dict[str, Any], ...] = ()
    """What was approved: `details`, or less where the person edited. Empty until then."""
    approved_digest: str = ""
    changes: tuple[str, ...] = ()
    """In which way `approved` is less, in words."""
    evidence: Evidence | None = None
    """Of the proof with which it was approved."""
    allowance_id: str | None = None
    """The standing allowance that answered in the person's place."""
    allowance_given: str | None = None
    """The standing allowance that the person gave with this answer."""
    binding_message: str | None = None
    jkt: str | None = None
    interval: int = 5
    mode: Literal["poll", "ping", "push"] = "poll"
    """How the client hears of the answer (CIBA Core 1.0 section 5)."""
    notification_token: str | None = None
    """What we prove ourselves with to a client that is pinged or pushed to. Sealed with the row."""
    parcel: dict[str, Any] | None = None
    """What is being pushed, until it has arrived: whoever takes over from a node that died sends the same once more."""
    same: str | None = None
    """Of an open request: what is alike when it is asked again. There is one such request at a time."""
    origin: str = ""
    """Where the request came from, for the person to compare."""
    created_at: int = 0
    expires_at: int = 0
    state: ApprovalState = "pending"
    version: int = 0
    polled_at: int = 0
    slow_downs: int = 0
    decided_at: int | None = None
    decided_by: str | None = None
    reason: str | None = None
    grant_id: str | None = None
    taken_at: int | None = None
    use_until: int | None = None
    """When the token that was handed out ends."""
    spent: int = 0
    """Bit n: the nth of `approved` has been carried out, as the API says that did it."""
    spent_at: int | None = None
    spent_by: str | None = None
    """The client id of that API; of the last use, where there were several."""
    notify_at: int | None = None
    """When the client is to be told of the answer, the next time; None: it need not be, or has been."""
    notify_tries: int = 0
