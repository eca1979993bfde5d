"""Randomness: ids that sort by time, and secrets that are handed out once and kept as hashes."""

from __future__ import annotations

import hashlib
import secrets
import time
from base64 import urlsafe_b64encode

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford base 32, so that text order is number order


def new_id() -> str:
    """A ULID: 48 bits of milliseconds, 80 random bits, 26 characters, ordered by time."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def new_secret() -> str:
    """256 random bits, base64url: codes, refresh tokens, request URIs, cookies."""
    return secrets.token_urlsafe(32)


def hashed(secret: str) -> str:
    """How a bearer artefact is kept. High-entropy values need no salt and no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def base64url(raw: bytes) -> str:
    """Without padding (RFC 7515 section 2)."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
