"""Ada's phone, for when nobody watches: it makes a passkey and signs with it, as a browser and an authenticator do together
(WebAuthn Level 3 sections 5 and 6). A real one asks for her finger first."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

_PRESENT, _VERIFIED, _NEW_KEY = 0x01, 0x04, 0x40


class Phone:
    """Holds one passkey.

    Args:
        origin: of the site that it is for, as browsers write it.
    """

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._id, self._key, self._count = secrets.token_bytes(32), ec.generate_private_key(ec.SECP256R1()), 0

    def create(self, options: Mapping[str, Any]) -> str:
        """Return what ``navigator.credentials.create()`` gives, as JSON."""
        point = self._key.public_key().public_numbers()
        x, y = point.x.to_bytes(32, "big"), point.y.to_bytes(32, "big")
        # CBOR by hand: {1: 2, 3: -7, -1: 1, -2: x, -3: y}, an ES256 key (RFC 9053 section 2.1).
        key = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20" + x + b"\x22\x58\x20" + y
        data = self._data(options["rp"]["id"], _NEW_KEY) + bytes(16) + b"\x00\x20" + self._id + key
        attested = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58" + bytes([len(data)]) + data
        return self._answer(clientDataJSON=self._client("create", options), attestationObject=attested)

    def get(self, options: Mapping[str, Any]) -> str:
        """Return what ``navigator.credentials.get()`` gives, as JSON."""
        self._count += 1
        data, client = self._data(options["rpId"]), self._client("get", options)
        signature = self._key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(clientDataJSON=client, authenticatorData=data, signature=signature)

    def _data(self, host: str, flags: int = 0) -> bytes:
        flags |= _PRESENT | _VERIFIED
        return hashlib.sha256(host.encode()).digest() + bytes([flags]) + self._count.to_bytes(4, "big")

    def _client(self, use: str, options: Mapping[str, Any]) -> bytes:
        said = {"type": f"webauthn.{use}", "challenge": options["challenge"], "origin": self._origin}
        return json.dumps(said).encode()

    def _answer(self, **response: bytes) -> str:
        name = _base64url(self._id)
        texts = {member: _base64url(value) for member, value in response.items()}
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": texts})


def _base64url(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()
