"""DPoP (RFC 9449): a token that is worth nothing without the key it was made for. Both halves are here."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from . import jose
from .errors import Misconfigured

_ORIGINS = 64
_DEFAULT_PORTS = {"http": 80, "https": 443}


class ProofKey:
    """A P-256 key that proves possession. Its private half never leaves the object but through ``save``."""

    __slots__ = ("_key", "_nonces", "_public", "thumbprint")

    def __init__(self, key: ECKey) -> None:
        self._key = key
        self._public = {name: value for name, value in key.as_dict(private=False).items() if name != "kid"}
        self._nonces: dict[str, str] = {}
        self.thumbprint: str = key.thumbprint()
        """RFC 7638; what a token bound to this key carries as ``cnf.jkt``."""

    @classmethod
    def generate(cls) -> ProofKey:
        """A new key."""
        return cls(ECKey.generate_key("P-256"))

    @classmethod
    def load(cls, path: str | Path) -> ProofKey:
        """A key from a PEM file, so that bound tokens outlive the process.

        Raises:
            Misconfigured: the file holds no private P-256 key.
        """
        try:
            key = ECKey.import_key(Path(path).read_bytes())
        except (OSError, ValueError, JoseError) as cause:
            raise Misconfigured(f"{path} holds no private P-256 key") from cause
        if not key.is_private or key.curve_name != "P-256":
            raise Misconfigured(f"{path} holds no private P-256 key")
        return cls(key)

    def save(self, path: str | Path) -> None:
        """Write the private key as PEM to a new file that its owner alone may read."""
        file = Path(path)
        file.touch(mode=0o600, exist_ok=False)
        file.write_bytes(self._key.as_pem(private=True))

    def proof(self, method: str, url: str, *, now: float, access_token: str | None = None) -> str:
        """A proof for one request (RFC 9449 section 4.2), with the last nonce that its server gave."""
        claims: dict[str, str | int] = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": url.partition("#")[0].partition("?")[0],
            "iat": int(now),
        }
        if access_token is not None:
            claims["ath"] = _sha256(access_token)
        if (nonce := self._nonces.get(_origin(url))) is not None:
            claims["nonce"] = nonce
        return jose.signed({"typ": "dpop+jwt", "alg": "ES256", "jwk": self._public}, claims, self._key)

    def remember(self, url: str, nonce: str | None) -> None:
        """Keep the nonce that the server of this URL wants to see next (section 8)."""
        if nonce:
            if len(self._nonces) >= _ORIGINS:
                self._nonces.clear()
            self._nonces[_origin(url)] = nonce

    def __repr__(self) -> str:
        return f"ProofKey({self.thumbprint})"

    def __reduce__(self) -> str:
        raise TypeError("a private key is not pickled; use save() and load()")


@dataclass(frozen=True)
class Proof:
    """A proof that held: whose key it was, and the id under which it may be seen once."""

    thumbprint: str
    jti: str
    issued_at: int


def check_proof(
    proofs: Sequence[str], *, method: str, url: str, access_token: str, thumbprint: str, now: float, window: int
) -> Proof:
    """Judge the DPoP header fields of a request to a protected API (RFC 9449 section 4.3).

    Whether the proof has been seen before is for the caller to find out.

    Raises:
        jose.BadToken: with the first point that does not hold.
    """
    if len(proofs) != 1:
        raise jose.BadToken("exactly one DPoP proof is needed")
    head = jose.header(proofs[0])
    jose.typed(head, "dpop+jwt")
    key = jose.public_key(head.get("jwk"))
    claims = jose.verified(proofs[0], key)
    if claims.get("htm") != method:
        raise jose.BadToken("the proof is for another method")
    htu = claims.get("htu")
    if not isinstance(htu, str) or _target(htu) != _target(url):
        raise jose.BadToken("the proof is for another URL")
    issued_at, jti, ath = claims.get("iat"), claims.get("jti"), claims.get("ath")
    if not isinstance(issued_at, int) or isinstance(issued_at, bool) or not -window <= now - issued_at <= window:
        raise jose.BadToken("the proof is too old, or from the future")
    if not isinstance(jti, str) or not 1 <= len(jti) <= 256:
        raise jose.BadToken("the proof has no id")
    if not isinstance(ath, str) or not _same(ath, _sha256(access_token)):
        raise jose.BadToken("the proof is for another token")
    if not _same(key.key.thumbprint(), thumbprint):
        raise jose.BadToken("the token is bound to another key")
    return Proof(thumbprint, jti, issued_at)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _sha256(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _target(url: str) -> tuple[str, str, int | None, str]:
    # Section 4.3 point 9: without query and fragment, after syntax- and scheme-based normalisation (RFC 3986).
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError as cause:
        raise jose.BadToken("not a URL") from cause
    return parts.scheme, parts.hostname or "", port, parts.path or "/"
