"""Rich authorization requests (RFC 9396): judging them, and the digest that names them from ask to receipt."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
import rfc8785
from jsonschema import Draft202012Validator

from remit_server.errors import InvalidDetails
from remit_server.records import DetailType

Details = tuple[dict[str, Any], ...]
MOST = 10
LARGEST_TEXT = 32 * 1024


def judge(text: str, types: Mapping[str, DetailType], allowed: Collection[str]) -> Details:
    """The details in an `authorization_details` parameter, each valid under the schema of its type.

    `allowed` are the types that the APIs asked for take. Raises `InvalidDetails` that names the entry and the member
    (RFC 9396 section 5: unknown types, unknown members, wrong values).
    """
    if len(text) > LARGEST_TEXT:
        raise InvalidDetails("The authorization_details are too long.")
    try:
        entries = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise InvalidDetails("The authorization_details are not valid JSON.") from error
    if not isinstance(entries, list) or not 1 <= len(entries) <= MOST:
        raise InvalidDetails(f"The authorization_details must be an array of 1 to {MOST} objects.")
    for number, entry in enumerate(entries, 1):
        _judge_entry(number, entry, types, allowed)
    canonical(entries)
    return tuple(entries)


def _judge_entry(number: int, entry: Any, types: Mapping[str, DetailType], allowed: Collection[str]) -> None:
    kind = entry.get("type") if isinstance(entry, dict) else None
    if not isinstance(kind, str):
        raise InvalidDetails(f"Entry {number} of the authorization_details has no type.")
    known = types.get(kind)
    if known is None:
        raise InvalidDetails(f"The type {kind!r} is unknown.")
    if kind not in allowed:
        raise InvalidDetails(f"The type {kind!r} is not taken by the API that this request is for.")
    fault = next(iter(Draft202012Validator(known.document["schema"]).iter_errors(entry)), None)
    if fault is not None:
        member = fault.json_path.removeprefix("$").removeprefix(".") or "the entry"
        raise InvalidDetails(f"Entry {number} ({kind}), {member}: {fault.message[:200]}")


def canonical(details: Any) -> bytes:
    """Canonical JSON (RFC 8785). Raises `InvalidDetails` for numbers and texts that it cannot express exactly."""
    try:
        return rfc8785.dumps(details)
    except (rfc8785.CanonicalizationError, UnicodeError, RecursionError) as error:
        raise InvalidDetails("The authorization_details have a value that canonical JSON cannot express.") from error


def digest(details: Details) -> str:
    """SHA-256 of the canonical JSON, base64url: the same for the same meaning, different for any other."""
    return urlsafe_b64encode(hashlib.sha256(canonical(list(details))).digest()).rstrip(b"=").decode("ascii")
