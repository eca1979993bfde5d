"""Authorization details (RFC 9396) as values: copied, compared and told apart without room for interpretation."""

from __future__ import annotations

import hashlib
import json
import math
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from . import canonical

Detail = Mapping[str, Any]


def as_list(details: Detail | Sequence[Detail]) -> list[dict[str, Any]]:
    """A deep copy as plain JSON, each with its ``type``.

    Raises:
        TypeError: a value that JSON has no form for.
        ValueError: no detail at all, one without a type, or a value that JSON readers do not agree on (a number beyond
            2^53 - 1, say; write money in minor units).
    """
    given = [details] if isinstance(details, Mapping) else list(details)
    copied: list[dict[str, Any]] = json.loads(canonical.dumps(given))
    if not copied or not all(isinstance(detail.get("type"), str) and detail["type"] for detail in copied):
        raise ValueError("authorization details need at least one entry, each with a type")
    return copied


def digest(details: Sequence[Detail]) -> str:
    """SHA-256 of the canonical JSON, base64url: the name that Remit gives these details, from the request to the receipt.

    Raises:
        TypeError, ValueError: no JSON, or none that readers agree on.
    """
    return urlsafe_b64encode(hashlib.sha256(canonical.dumps(details)).digest()).rstrip(b"=").decode("ascii")


def same(one: object, other: object) -> bool:
    """JSON equality: numbers by value, ``true`` is not ``1``, ``"10"`` is not ``10``, and arrays keep their order."""
    if isinstance(one, bool) or isinstance(other, bool) or one is None or other is None:
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isfinite(one) and one == other
    if isinstance(one, str) and isinstance(other, str):
        return one == other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return False


def difference(approved: Detail, actual: Detail) -> str | None:
    """The first member, by name, in which two details differ; None when they are the same."""
    for name in sorted(approved.keys() | actual.keys()):
        if name not in approved or name not in actual or not same(approved[name], actual[name]):
            return name
    return None
