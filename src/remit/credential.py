"""How a client proves to the token endpoint that it is itself."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from . import jose
from .errors import Misconfigured

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class ClientSecret:
    """``client_secret_basic`` (RFC 6749 section 2.3.1)."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def present(self, client_id: str, issuer: str, now: float) -> tuple[dict[str, str], dict[str, str]]:  # noqa: ARG002
        """Header fields and form parameters that authenticate one request."""
        pair = f"{quote_plus(client_id)}:{quote_plus(self._value)}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}, {}

    def __repr__(self) -> str:
        return "ClientSecret(...)"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


class PrivateKey:
    """``private_key_jwt`` (RFC 7523), with the issuer as its only audience (draft-ietf-oauth-rfc7523bis).

    Args:
        key: a private key, as PEM or as a JWK: RSA, P-256 or Ed25519.
        kid: the key's id, where it is registered with one. A JWK brings its own.

    Raises:
        Misconfigured: it is no such key.
    """

    __slots__ = ("_algorithm", "_key", "_kid")

    def __init__(self, key: str | bytes | Mapping[str, Any], *, kid: str | None = None) -> None:
        if isinstance(key, str) and key.lstrip().startswith("{"):
            key = json.loads(key)
        for kind in (ECKey, RSAKey, OKPKey):
            try:
                self._key: jose.Key = kind.import_key(dict(key) if isinstance(key, Mapping) else key)
                self._algorithm = jose.algorithm_of(self._key)
            except (JoseError, ValueError, TypeError, KeyError, jose.BadToken):
                continue
            break
        else:
            raise Misconfigured("the client's key is neither RSA, P-256 nor Ed25519")
        if not self._key.is_private:
            raise Misconfigured("the client's key is not a private key")
        self._kid = kid or self._key.kid

    @classmethod
    def load(cls, path: str | Path, *, kid: str | None = None) -> PrivateKey:
        """A key from a PEM or JWK file."""
        return cls(Path(path).read_text(), kid=kid)

    def present(self, client_id: str, issuer: str, now: float) -> tuple[dict[str, str], dict[str, str]]:
        """Header fields and form parameters that authenticate one request."""
        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": issuer,
            "iat": int(now),
            "exp": int(now) + 60,
            "jti": secrets.token_urlsafe(16),
        }
        head = {"typ": "JWT", "alg": self._algorithm} | ({"kid": self._kid} if self._kid else {})
        assertion = jose.signed(head, claims, self._key)
        return {}, {"client_id": client_id, "client_assertion_type": _ASSERTION, "client_assertion": assertion}

    def __repr__(self) -> str:
        return f"PrivateKey({self._algorithm})"

    def __reduce__(self) -> str:
        raise TypeError("a private key is not pickled")


class Public:
    """No credential: a public client (``none``) only says who it is."""

    def present(self, client_id: str, issuer: str, now: float) -> tuple[dict[str, str], dict[str, str]]:  # noqa: ARG002
        """Form parameters that name the client."""
        return {}, {"client_id": client_id}


Credential = ClientSecret | PrivateKey | Public
