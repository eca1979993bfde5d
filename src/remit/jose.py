"""Signatures: what is accepted is a table here, and nothing that a token says can widen it.

Of a token's header only ``alg``, ``typ`` and ``kid`` are ever read. ``jku``, ``x5u``, ``x5c`` and ``jwk`` are ignored (``jwk`` is
read by DPoP alone, where it is meant to be the sender's own), and ``crit`` is refused, as no extension is understood.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

Key = RSAKey | ECKey | OKPKey

_ALGORITHMS: Mapping[tuple[str, str | None], tuple[str, ...]] = {
    ("RSA", None): ("RS256", "PS256"),
    ("EC", "P-256"): ("ES256",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
_KINDS: Mapping[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
ALGORITHMS: tuple[str, ...] = ("RS256", "PS256", "ES256", "EdDSA")
_LONGEST = 16 * 1024


class BadToken(Exception):
    """The token is not what it has to be. The text says why, for a log, and quotes nothing of it."""


class _Registry(JWSRegistry):
    """joserfc's, with our table in place of its list of recommended algorithms.

    Unknown header parameters are ignored, as RFC 7515 section 4 asks; the header may hold an RSA ``jwk`` (RFC 9449).
    """

    max_header_length = 4096

    def get_alg(self, name: str) -> Any:
        if name not in ALGORITHMS:
            raise BadToken("algorithm not accepted")
        return self.algorithms[name]


_REGISTRY = _Registry(strict_check_header=False)


@dataclass(frozen=True)
class PublicKey:
    """A verification key with the algorithms that may be used with it."""

    key: Key
    kid: str | None
    algorithms: tuple[str, ...]


def public_key(jwk: object) -> PublicKey:
    """Read an asymmetric public JWK.

    Raises:
        BadToken: private, symmetric, too weak, not for signatures, or of a kind that is not in the table.
    """
    if not isinstance(jwk, dict):
        raise BadToken("the key is not a JSON object")
    if "d" in jwk or "k" in jwk:
        raise BadToken("the key is private or symmetric")
    if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ["verify"]):
        raise BadToken("the key is not for signatures")
    kty, crv = jwk.get("kty"), jwk.get("crv")
    allowed = _ALGORITHMS.get((kty, crv)) if isinstance(kty, str) and isinstance(crv, str | None) else None
    if allowed is None:
        raise BadToken("keys of this type are not accepted")
    try:
        key: Key = _KINDS[str(kty)].import_key(
            {name: jwk[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in jwk}
        )
        bits = key.public_key.key_size if isinstance(key, RSAKey) else None
    except (JoseError, ValueError, TypeError, KeyError) as cause:
        raise BadToken("the key cannot be read") from cause
    except Warning as cause:  # where warnings are errors, a weak key already ends here
        raise BadToken("the key is too weak") from cause
    if bits is not None and bits < 2048:
        raise BadToken("the key is too weak")
    if "alg" in jwk:
        allowed = tuple(alg for alg in allowed if alg == jwk["alg"])
    kid = jwk.get("kid")
    return PublicKey(key, kid if isinstance(kid, str) else None, allowed)


def header(token: str) -> dict[str, Any]:
    """The header of a compact JWS, of which nothing has been proven yet."""
    if len(token) > _LONGEST or token.count(".") != 2:
        raise BadToken("not a compact JWS of sensible size")
    found = _object(token.partition(".")[0])
    if "crit" in found:
        raise BadToken("no critical extension is understood")
    return found


def typed(found: Mapping[str, Any], typ: str) -> None:
    """Require the ``typ`` of this kind of token, with or without ``application/`` (RFC 7515 section 4.1.9)."""
    value = found.get("typ")
    if not isinstance(value, str) or value.lower().removeprefix("application/") != typ:
        raise BadToken(f"typ is not {typ}")


def verified(token: str, key: PublicKey) -> dict[str, Any]:
    """The claims, once the signature holds under this key with an algorithm that the key may be used with."""
    algorithm = header(token).get("alg")
    if algorithm not in key.algorithms:
        raise BadToken("algorithm not accepted for this key")
    try:
        jws.deserialize_compact(token, key.key, registry=_REGISTRY)
    except (JoseError, ValueError, TypeError, KeyError) as cause:
        raise BadToken("bad signature") from cause
    return _object(token.split(".")[1])


def signed(fields: Mapping[str, Any], claims: Mapping[str, Any], key: Key) -> str:
    """A compact JWS over the claims."""
    return jws.serialize_compact(dict(fields), json.dumps(claims), key, registry=_REGISTRY)


def algorithm_of(key: Key) -> str:
    """The algorithm to sign with: the strongest widely verified one for the key's type."""
    crv = None if isinstance(key, RSAKey) else str(key.as_dict(private=False)["crv"])
    allowed = _ALGORITHMS.get((key.key_type, crv))
    if allowed is None:
        raise BadToken("keys of this type are not accepted")
    return allowed[0]


def _object(segment: str) -> dict[str, Any]:
    try:
        found = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except (ValueError, RecursionError) as cause:
        raise BadToken("not JSON") from cause
    if not isinstance(found, dict):
        raise BadToken("not a JSON object")
    return found
