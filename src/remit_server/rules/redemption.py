"""Holding a code's redemption against what the code was issued for."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode

from remit_server.errors import InvalidGrant, InvalidRequest
from remit_server.records import Code

_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")  # RFC 7636 section 4.1


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636 section 4.2)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


def judge(code: Code, *, redirect_uri: str | None, verifier: str | None, jkt: str | None, now: int) -> None:
    """Raises `InvalidGrant` or `InvalidRequest` unless this is who asked for the code, in time, with the verifier."""
    if code.expires_at <= now:
        raise InvalidGrant("The code has expired.")
    if redirect_uri is None and code.redirect_uri_given:
        raise InvalidRequest("redirect_uri is missing: it was part of the authorization request.")
    if redirect_uri is not None and not hmac.compare_digest(redirect_uri.encode(), code.redirect_uri.encode()):
        raise InvalidGrant("redirect_uri is not the one of the authorization request.")
    if verifier is None:
        raise InvalidGrant("code_verifier is missing (RFC 7636 section 4.5).")
    if not _VERIFIER.fullmatch(verifier):
        raise InvalidRequest("code_verifier must be 43 to 128 unreserved characters (RFC 7636 section 4.1).")
    if not hmac.compare_digest(challenge_of(verifier), code.challenge):
        raise InvalidGrant("code_verifier does not fit the code_challenge.")
    if code.dpop_jkt is not None and code.dpop_jkt != jkt:
        raise InvalidGrant("The code is bound to another DPoP key (RFC 9449 section 10).")
