"""Judging a DPoP proof (RFC 9449 section 4.3)."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from typing import Any
from urllib.parse import urlsplit

from joserfc import jws, jwt
from joserfc.jwk import JWKRegistry
from msgspec import Struct

from remit_server.errors import InvalidDpopProof
from remit_server.rules.jose import UNREADABLE, Registry

ALGORITHMS = ("ES256", "EdDSA", "PS256", "RS256")
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class Proof(Struct, frozen=True):
    jkt: str
    jti: str
    nonce: str | None


def judge(proof: str, *, method: str, url: str, now: int, window: int, access_token: str | None) -> Proof:
    """The key that a proof shows. Raises `InvalidDpopProof` that says which check failed."""
    jwk = _embedded_key(proof)
    try:
        key = JWKRegistry.import_key(jwk)
        claims = jwt.decode(proof, key, registry=Registry(algorithms=ALGORITHMS)).claims
        jkt = key.thumbprint()
    except UNREADABLE as error:
        raise InvalidDpopProof("The signature of the DPoP proof does not fit its key.") from error
    if claims.get("htm") != method:
        raise InvalidDpopProof("htm is not the method of this request.")
    if _without_query(claims.get("htu")) != _without_query(url):
        raise InvalidDpopProof("htu is not the URL of this request.")
    issued_at, jti, nonce = claims.get("iat"), claims.get("jti"), claims.get("nonce")
    # Written so that NaN, which compares as false with everything, does not pass.
    if not isinstance(issued_at, int | float) or isinstance(issued_at, bool) or not abs(now - issued_at) <= window:
        raise InvalidDpopProof("iat is missing, too old, or in the future.")
    if not isinstance(jti, str) or not 1 <= len(jti) <= 256:
        raise InvalidDpopProof("jti is missing or too long.")
    if nonce is not None and not isinstance(nonce, str):
        raise InvalidDpopProof("nonce must be a string.")
    if access_token is not None:
        expected = urlsafe_b64encode(hashlib.sha256(access_token.encode()).digest()).rstrip(b"=").decode()
        ath = claims.get("ath")
        if not isinstance(ath, str) or not hmac.compare_digest(ath.encode("utf-8", "replace"), expected.encode()):
            raise InvalidDpopProof("ath is not the hash of the access token.")
    return Proof(jkt, jti, nonce)


def _embedded_key(proof: str) -> dict[str, Any]:
    try:
        header = jws.extract_compact(proof.encode(), registry=Registry(algorithms=ALGORITHMS)).headers()
        typ, alg, jwk = header.get("typ"), header.get("alg"), header.get("jwk")
    except UNREADABLE as error:
        raise InvalidDpopProof("The DPoP proof is not a JWT.") from error
    if typ != "dpop+jwt":
        raise InvalidDpopProof("typ must be dpop+jwt.")
    if alg not in ALGORITHMS:
        raise InvalidDpopProof("The algorithm must be one of " + ", ".join(ALGORITHMS) + ".")
    if not isinstance(jwk, dict) or jwk.get("kty") not in ("EC", "RSA", "OKP"):
        raise InvalidDpopProof("The header must hold a public key, jwk.")
    if PRIVATE_MEMBERS & jwk.keys():
        raise InvalidDpopProof("The jwk holds private members: make a new key, this one is no longer secret.")
    return jwk


def _without_query(url: Any) -> tuple[str, str, str] | None:
    """Scheme, authority and path: RFC 9449 section 4.3 check 9 ignores query and fragment, section 4.2 the letter case of
    scheme and host and default ports."""
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    scheme = parts.scheme.lower()
    default = {"https": 443, "http": 80}.get(scheme)
    host = (parts.hostname or "") + (f":{port}" if port and port != default else "")
    return scheme, host, parts.path or "/"
