"""Randomness: ids that sort by time, and secrets that are handed out once and kept as hashes."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from base64 import b32encode, urlsafe_b64encode
from functools import lru_cache

# Crockford's base 32, whose text order is number order.
_ALPHABET = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CROCKFORD = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", _ALPHABET)  # from RFC 4648's
_DIGIT_OF_BYTE = _ALPHABET * 8  # 256 is a multiple of 32: of a random byte, five random bits


def new_id() -> str:
    """A ULID: 48 bits of milliseconds, 80 random bits, 26 characters, ordered by time."""
    return _moment(time.time_ns() // 1_000_000) + os.urandom(16).translate(_DIGIT_OF_BYTE).decode("ascii")


@lru_cache(maxsize=1)
def _moment(milliseconds: int) -> str:
    return b32encode(milliseconds.to_bytes(10, "big")).translate(_CROCKFORD)[6:].decode("ascii")


def new_secret() -> str:
    """256 random bits, base64url: codes, refresh tokens, request URIs, cookies."""
    return secrets.token_urlsafe(32)


def hashed(secret: str) -> str:
    """How a bearer artefact is kept. High-entropy values need no salt and no slow hash."""
    # JSON lets lone surrogates through; what holds one is no artefact of ours, and is looked for in vain like any other.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def base64url(raw: bytes) -> str:
    """Without padding (RFC 7515 section 2)."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
