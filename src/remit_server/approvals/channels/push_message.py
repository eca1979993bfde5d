"""A Web Push message: encrypted for one browser (RFC 8291), and signed so that its push service knows who sends (RFC 8292)."""

from __future__ import annotations

import base64
import os
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import ECKey

RECORD: Final = 4096
LARGEST: Final = 3000
"""Bytes of a message: well within the one record that push services must take (RFC 8291 section 4)."""
_CURVE = ec.SECP256R1()


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_b64url(text: str) -> bytes:
    """Raises `ValueError`."""
    return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)


def point_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public key as browsers write it: 65 bytes, uncompressed (X9.62)."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def checked_keys(p256dh: str, auth: str) -> tuple[bytes, bytes]:
    """A browser's public key and shared secret. Raises `ValueError` when they are not a point on P-256 and 16 bytes."""
    point, secret = from_b64url(p256dh), from_b64url(auth)
    if len(point) != 65 or len(secret) != 16:
        raise ValueError("p256dh is 65 bytes and auth is 16")
    ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, point)
    return point, secret


def encrypted(
    message: bytes,
    browser: bytes,
    auth: bytes,
    *,
    key: ec.EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
) -> bytes:
    """The body for a browser with this public key and secret, in `aes128gcm` (RFC 8188). `key` and `salt` are fresh for each
    message; only the RFC's own example gives them."""
    if len(message) > LARGEST:
        raise ValueError("the message is too long for one record")
    key, salt = key or ec.generate_private_key(_CURVE), salt or os.urandom(16)
    ours = point_of(key)
    shared = key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, browser))
    material = _derived(shared, auth, b"WebPush: info\0" + browser + ours, 32)  # RFC 8291 section 3.4
    content_key = _derived(material, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derived(material, salt, b"Content-Encoding: nonce\0", 12)
    header = salt + RECORD.to_bytes(4, "big") + bytes([len(ours)]) + ours
    return header + AESGCM(content_key).encrypt(nonce, message + b"\x02", None)  # 2: the last record


def _derived(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(secret)


class Sender:
    """This server, as push services know it: one key pair for good, since subscriptions are bound to it (RFC 8292 section 4)."""

    def __init__(self, secret: bytes) -> None:
        """`secret` is the private key's number, 32 bytes."""
        private = ec.derive_private_key(int.from_bytes(secret, "big"), _CURVE)
        self.public: Final = b64url(point_of(private))
        """`applicationServerKey`, as a browser takes it."""
        self._key = ECKey.import_key(private)

    def __repr__(self) -> str:
        return "Sender()"

    def authorization(self, origin: str, contact: str, expires_at: int) -> str:
        """The Authorization header for the push service at this origin."""
        claims = {"aud": origin, "exp": expires_at, "sub": contact}
        token = jwt.encode({"typ": "JWT", "alg": "ES256"}, claims, self._key, algorithms=["ES256"])
        return f"vapid t={token}, k={self.public}"


def new_secret() -> bytes:
    """Of a `Sender`."""
    return ec.generate_private_key(_CURVE).private_numbers().private_value.to_bytes(32, "big")
