"""A signing key. The row is sealed."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct


class SigningKey(Struct, frozen=True, kw_only=True):
    kid: str
    alg: str
    jwk: dict[str, Any]
    """The private JWK (RFC 7517)."""
    state: Literal["next", "current", "retired"] = "current"
    created_at: int = 0
    retired_at: int | None = None
