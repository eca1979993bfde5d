"""What a poll of a pending decision gets (RFC 8628 section 3.5, CIBA Core 1.0 section 11)."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from remit_server.errors import (
    AccessDenied,
    AuthorizationPending,
    ExpiredToken,
    InvalidGrant,
    SlowDown,
    UnauthorizedClient,
)
from remit_server.records import Approval, Client

TAKE_WITHIN = 600
"""Seconds that an approved authority waits to be fetched, however late in the request's life the answer came."""
SLOWER_BY = 5
SLOWEST = 60
_WAIT: Final = re.compile(r'(?:^|,)\s*wait\s*=\s*"?([0-9]{1,6})"?\s*(?=[,;]|$)', re.IGNORECASE)


class Wait(Struct, frozen=True):
    """Not decided yet. `interval` and `slow_downs` are what to remember; `too_fast` is what to say."""

    interval: int
    slow_downs: int
    too_fast: bool


class Take(Struct, frozen=True):
    """Approved: hand it out."""


def judge(approval: Approval, client: Client, *, jkt: str | None, now: int) -> Wait | Take:
    """An answer that was given in time beats expiry. Raises the error that ends the polling.

    The first poll is never too fast; one that comes before the interval has passed makes the interval longer.
    """
    if approval.client_id != client.id:
        raise InvalidGrant(detail="another client's request")
    if approval.mode == "push":
        raise UnauthorizedClient("This client is told of the answer, and may not poll for it.")
    if approval.jkt is not None and approval.jkt != jkt:
        raise InvalidGrant("The request is bound to another DPoP key.")
    match approval.state:
        case "approved":
            if not takeable(approval, now):
                raise ExpiredToken("The approval was given but not fetched in time.")
            return Take()
        case "denied":
            text = "The end-user denied the request" + (f": {approval.reason}" if approval.reason else ".")
            members = {"denied_by": approval.decided_by, "reason": approval.reason}
            raise AccessDenied(text, members={name: value for name, value in members.items() if value is not None})
        case "taken":
            raise InvalidGrant("This request was answered and its tokens were fetched before.")
        case "expired":
            raise ExpiredToken
        case "pending" | "info_requested":
            if now >= approval.expires_at:
                raise ExpiredToken
    if approval.polled_at and now - approval.polled_at < approval.interval:
        return Wait(min(approval.interval + SLOWER_BY, SLOWEST), approval.slow_downs + 1, too_fast=True)
    return Wait(approval.interval, approval.slow_downs, too_fast=False)


def preferred_wait(prefer: str, longest: int) -> int:
    """Seconds that a poll may be held for an answer: what its `Prefer` header has as `wait` (RFC 7240 section 4.3), at most
    `longest`. Who does not ask for it is answered at once: many HTTP clients give up after a few seconds."""
    found = _WAIT.search(prefer)
    return min(int(found.group(1)), longest) if found else 0


def takeable(approval: Approval, now: int) -> bool:
    """Whether what was approved may still be fetched."""
    return now < max(approval.expires_at, (approval.decided_at or 0) + TAKE_WITHIN)


def refusal(wait: Wait, *, held: int = 0) -> AuthorizationPending | SlowDown:
    """What a client hears that must wait. The time for which its poll was `held` counts as waiting."""
    headers = {"Retry-After": str(max(0, wait.interval - held))}
    if wait.too_fast:
        return SlowDown(f"You are polling faster than allowed. Try again in {wait.interval} seconds.", headers=headers)
    return AuthorizationPending(headers=headers)
