"""Judging an ID token of another provider (OIDC Core section 3.1.3.7)."""

from __future__ import annotations

import hmac
from typing import Any

from joserfc import jwt
from joserfc.jwk import KeySet
from msgspec import Struct

from remit_server.errors import AccessDenied
from remit_server.rules.jose import UNREADABLE, Registry

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
LONGEST_SUBJECT = 255  # OIDC Core section 2


class Identity(Struct, frozen=True, kw_only=True):
    """Who somebody is at the provider. `email` is there only when the provider has verified it."""

    subject: str
    email: str | None = None
    name: str | None = None
    auth_time: int | None = None
    amr: tuple[str, ...] = ()


def judge(
    id_token: Any, jwks: dict[str, Any], *, issuer: str, client_id: str, nonce: str, now: int, skew: int
) -> Identity:
    """The identity that an ID token states. Raises `AccessDenied`; which check failed is for the log."""
    if not isinstance(id_token, str):
        raise _unbelieved("there is no id_token")
    try:
        claims = jwt.decode(id_token, KeySet.import_key_set(jwks), registry=Registry(algorithms=ALGORITHMS)).claims  # type: ignore[arg-type]
    except UNREADABLE as error:
        raise _unbelieved("its signature is not by a key of the provider") from error
    if claims.get("iss") != issuer:
        raise _unbelieved("iss is another issuer")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if client_id not in audiences or (len(audiences) > 1 and claims.get("azp") != client_id):
        raise _unbelieved("it is meant for another client")
    if claims.get("azp") not in {None, client_id}:
        raise _unbelieved("azp is another client")
    expires_at, issued_at = claims.get("exp"), claims.get("iat")
    if not isinstance(expires_at, int | float) or expires_at + skew <= now:
        raise _unbelieved("it has expired")
    if not isinstance(issued_at, int | float) or issued_at > now + skew:
        raise _unbelieved("it is from the future")
    if not isinstance(claims.get("nonce"), str) or not hmac.compare_digest(claims["nonce"].encode(), nonce.encode()):
        raise _unbelieved("nonce is not ours")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= LONGEST_SUBJECT:
        raise _unbelieved("sub is missing or too long")
    email, name, at, amr = (claims.get(claim) for claim in ("email", "name", "auth_time", "amr"))
    return Identity(
        subject=subject,
        email=email if isinstance(email, str) and claims.get("email_verified") is True else None,
        name=name[:200] if isinstance(name, str) else None,
        auth_time=at if isinstance(at, int) else None,
        amr=tuple(value for value in amr if isinstance(value, str)) if isinstance(amr, list) else (),
    )


def _unbelieved(why: str) -> AccessDenied:
    return AccessDenied("The answer of the other provider cannot be believed.", detail=f"id_token: {why}")
