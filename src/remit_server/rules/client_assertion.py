"""private_key_jwt: judging a client assertion (RFC 7523 section 3 with draft-ietf-oauth-rfc7523bis: the audience is the
issuer and nothing else, so that an assertion made for another server is worth nothing here)."""

from __future__ import annotations

import json
from typing import Any

from joserfc import jws, jwt
from joserfc.jwk import KeySet
from msgspec import Struct

from remit_server.errors import InvalidClient
from remit_server.records import Client
from remit_server.rules.jose import UNREADABLE, Registry

TYPES = (None, "JWT", "jwt", "client-authentication+jwt")


class Assertion(Struct, frozen=True):
    jti: str
    expires_at: int


def unverified_subject(assertion: str) -> str:
    """The `sub` that an assertion claims, to find the keys to hold it against. Proves nothing."""
    try:
        claims = json.loads(jws.extract_compact(assertion.encode()).payload)
    except UNREADABLE as error:
        raise InvalidClient("The client_assertion is not a JWT.") from error
    subject = claims.get("sub") if isinstance(claims, dict) else None
    if not isinstance(subject, str) or not subject:
        raise InvalidClient("The client_assertion has no subject.")
    return subject


def judge(
    assertion: str, client: Client, jwks: dict[str, Any], *, issuer: str, now: int, longest: int, skew: int
) -> Assertion:
    """Hold an assertion against the client's keys and our clock. Raises `InvalidClient` that says which check failed."""
    try:
        token = jwt.decode(assertion, KeySet.import_key_set(jwks), registry=Registry(algorithms=client.assertion_algs))  # type: ignore[arg-type]
    except UNREADABLE as error:
        raise InvalidClient("The signature of the client_assertion is not one of this client's keys.") from error
    if token.header.get("typ") not in TYPES:
        raise InvalidClient("The client_assertion has another typ than a client assertion.")
    claims = token.claims
    if claims.get("iss") != client.id or claims.get("sub") != client.id:
        raise InvalidClient("iss and sub of a client_assertion must be the client_id.")
    if not meant_for(claims.get("aud"), issuer):
        raise InvalidClient("The audience of a client_assertion must be this server's issuer, and nothing else.")
    expires_at, jti = claims.get("exp"), claims.get("jti")
    if not isinstance(expires_at, int) or isinstance(expires_at, bool) or expires_at + skew <= now:
        raise InvalidClient("The client_assertion has expired, or has no exp.")
    if expires_at - now > longest + skew:
        raise InvalidClient(f"A client_assertion may live {longest} seconds at most.")
    for name in ("iat", "nbf"):
        value = claims.get(name)
        if value is not None and (not isinstance(value, int | float) or not value <= now + skew):
            raise InvalidClient(f"The {name} of the client_assertion is in the future.")
    if not isinstance(jti, str) or not jti:
        raise InvalidClient("The client_assertion has no jti.")
    return Assertion(jti, expires_at)


def meant_for(audience: Any, issuer: str) -> bool:
    """Exactly our issuer, alone. The scheme of a loopback development issuer is not held against a client that always
    writes https, nor a trailing slash against one that adds or drops it: both still name this server and no other."""
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]
    if not isinstance(audience, str):
        return False
    forms = {issuer.rstrip("/"), issuer.rstrip("/") + "/"}
    if issuer.startswith("http://"):
        forms |= {"https://" + form.removeprefix("http://") for form in forms}
    return audience in forms
