"""Judging what a client signs for a backchannel request: the request itself and a hint (CIBA Core 1.0 section 7.1.1)."""

from __future__ import annotations

from typing import Any, Final

from joserfc import jwt
from joserfc.jwk import KeySet
from msgspec import Struct

from remit_server.errors import ExpiredLoginHint, InvalidRequest, UnknownUser
from remit_server.records import Client
from remit_server.rules.backchannel import Hint, subject_identifier
from remit_server.rules.client_assertion import meant_for
from remit_server.rules.jose import UNREADABLE, Registry

LONGEST: Final = 3600
"""Seconds from `nbf` to `exp` (FAPI-CIBA section 5.2.2)."""
REGISTERED: Final = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti", "sub"})
PROOFS: Final = frozenset({"request", "client_id", "client_secret", "client_assertion", "client_assertion_type"})
"""All that may stand beside a signed request."""


class Signed(Struct, frozen=True):
    """What passed: the parameters, and the identifier that must not come twice."""

    parameters: dict[str, Any]
    jti: str
    expires_at: int


def request(text: str, client: Client, jwks: dict[str, Any], *, issuer: str, now: int, skew: int) -> Signed:
    """Raises `InvalidRequest` that says which check failed."""
    alg = client.backchannel_authentication_request_signing_alg
    if alg is None:
        raise InvalidRequest("This client is not registered for signed requests.")
    claims = _claims(text, jwks, alg, why="The request is not signed by a key of this client, as it registered.")
    if claims.get("iss") != client.id or not meant_for(claims.get("aud"), issuer):
        raise InvalidRequest("The iss of a signed request must be the client_id, and its aud this issuer.")
    issued_at, not_before, expires_at = (_time(claims, name) for name in ("iat", "nbf", "exp"))
    if expires_at + skew <= now or expires_at - not_before > LONGEST:
        raise InvalidRequest(f"The signed request has expired, or lives longer than {LONGEST} seconds.")
    if max(issued_at, not_before) > now + skew:
        raise InvalidRequest("The signed request is not valid yet.")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= 200:
        raise InvalidRequest("The signed request has no jti.")
    parameters = {name: value for name, value in claims.items() if name not in REGISTERED}
    if not PROOFS.isdisjoint(parameters.keys() - {"client_id"}):
        raise InvalidRequest("A signed request may not hold client authentication or another request.")
    if parameters.pop("client_id", client.id) != client.id:
        raise InvalidRequest("The signed request is another client's.")
    return Signed(parameters, jti, expires_at)


def hint(text: str, client: Client, jwks: dict[str, Any], *, issuer: str, now: int, skew: int) -> Hint:
    """Whom a login_hint_token names: a JWT of this client's with a `sub_id` (RFC 9493 section 4.1).

    Raises `ExpiredLoginHint`, `UnknownUser`, or `InvalidRequest` when it is no such token.
    """
    claims = _claims(
        text, jwks, *client.assertion_algs, why="The login_hint_token is not signed by a key of this client."
    )
    if claims.get("iss") != client.id or not meant_for(claims.get("aud"), issuer):
        raise InvalidRequest("The iss of a login_hint_token must be the client_id, and its aud this issuer.")
    if _time(claims, "exp") + skew <= now:
        raise ExpiredLoginHint
    subject = claims.get("sub_id")
    if not isinstance(subject, dict):
        raise UnknownUser("The login_hint_token has no sub_id.")
    return subject_identifier(subject, issuer)


def _claims(text: str, jwks: dict[str, Any], *algs: str, why: str) -> dict[str, Any]:
    try:
        token = jwt.decode(text, KeySet.import_key_set(jwks), registry=Registry(algorithms=algs))  # type: ignore[arg-type]
    except UNREADABLE as error:
        raise InvalidRequest(why) from error
    return token.claims


def _time(claims: dict[str, Any], name: str) -> int:
    value = claims.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidRequest(f"The {name} is missing.")
    return int(value)
