"""What a person allows ahead: this agent, this kind of act, up to so much, until then."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field


class Allowance(Struct, frozen=True, kw_only=True):
    """A standing yes with an end in every direction: in time, in number, and in money where the kind moves any.

    It stands for the person's answer, not for the request: each use is an approval of its own, with what it says on the trail.
    """

    id: str
    user_id: str
    client_id: str
    type: str
    """Of the authorization_details (RFC 9396)."""
    audiences: tuple[str, ...]
    """The APIs that it holds for."""
    scopes: tuple[str, ...] = ()
    """What may be asked for beside the details."""
    limits: dict[str, Any] = field(default_factory=dict)
    """Members of the details that must be within these, each in the way that the type compares it."""
    currency: str | None = None
    """ISO 4217; None where the kind moves no money."""
    per_act: int = 0
    """Minor units in one request."""
    total: int = 0
    """Minor units in all."""
    times: int = 1
    """Requests in all."""
    proven: bool = False
    """Given with the proof that a request of high risk takes: no other covers one."""
    created_at: int
    expires_at: int
    revoked_at: int | None = None
    spent: int = 0
    """Minor units used so far."""
    uses: int = 0
    used_at: int | None = None
