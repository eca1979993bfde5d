"""Time-based one-time codes (RFC 6238): HMAC-SHA-1, six digits, a new one every thirty seconds.

Our own code and not a library: it is one HMAC and a cut (RFC 4226 section 5.3), the RFCs print vectors to hold it against,
and what a library would add, remembering which codes are spent, belongs to the database here.
"""

from __future__ import annotations

import hmac
from base64 import b32decode
from typing import Final
from urllib.parse import quote, urlencode

PERIOD: Final = 30
"""Seconds that a code is shown."""
DIGITS: Final = 6
WINDOW: Final = 1
"""Steps that a clock may be off, either way (RFC 6238 section 5.2)."""


def code_at(secret: str, step: int) -> str:
    """The code of a time step. `secret` is base 32."""
    digest = hmac.digest(b32decode(secret), step.to_bytes(8, "big"), "sha1")
    start = digest[-1] & 0x0F
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def matching(secret: str, typed: str, now: int) -> int | None:
    """The time step whose code was typed, if it is one of this moment. Spaces are not looked at: apps show `123 456`.

    Every step of the window is compared, whole, so that time tells nothing of how close a guess was.
    """
    given = "".join(typed.split()).encode("utf-8", "surrogatepass")
    found = None
    for step in range(now // PERIOD - WINDOW, now // PERIOD + WINDOW + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), given):
            found = step
    return found


def uri(secret: str, *, issuer: str, account: str) -> str:
    """What an authenticator app reads from a QR code. Algorithm, digits and period are those that apps take for granted."""
    label = f"{quote(issuer.replace(':', ' '), safe='')}:{quote(account, safe='@')}"
    return f"otpauth://totp/{label}?" + urlencode({"secret": secret, "issuer": issuer}, quote_via=quote)
