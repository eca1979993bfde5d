"""Randomness: ids that sort by time, and secrets that are handed out once and kept as hashes."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from base64 import urlsafe_b64encode

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # base 32 whose text order is number order
_PAIRS = tuple(first + second for first in _CROCKFORD for second in _CROCKFORD)
_DIGIT_OF_BYTE = (_CROCKFORD * 8).encode()  # 256 is a multiple of 32: of a random byte, five random bits


def new_id() -> str:
    """A ULID: 48 bits of milliseconds, 80 random bits, 26 characters, ordered by time."""
    ms = time.time_ns() // 1_000_000
    moment = (
        _PAIRS[ms >> 40]
        + _PAIRS[ms >> 30 & 1023]
        + _PAIRS[ms >> 20 & 1023]
        + _PAIRS[ms >> 10 & 1023]
        + _PAIRS[ms & 1023]
    )
    return moment + os.urandom(16).translate(_DIGIT_OF_BYTE).decode("ascii")


def id_after(before: str) -> str:
    """A ULID that sorts after another, which a node whose clock is ahead of ours may have made."""
    made = new_id()
    if made > before:
        return made
    head = before.rstrip(_CROCKFORD[-1])
    following = next(digit for digit in _CROCKFORD if digit > head[-1])
    return f"{head[:-1]}{following}".ljust(len(before), _CROCKFORD[0])


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
