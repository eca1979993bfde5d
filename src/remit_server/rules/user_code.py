"""The code that a person types (RFC 8628 section 6.1): eight consonants, so that no word and no look-alike arises; 34 bits."""

from __future__ import annotations

import re

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
LENGTH = 8


def formatted(code: str) -> str:
    """As it is shown: `WDJB-MJHT`."""
    return f"{code[:4]}-{code[4:]}"


def normalised(typed: str) -> str | None:
    """What was typed, without what people add: case, spaces, dashes. None when it cannot be a code."""
    code = re.sub(r"[\s\-‐-―_.]", "", typed).upper()
    return code if len(code) == LENGTH and set(code) <= set(ALPHABET) else None
