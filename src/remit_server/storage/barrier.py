"""The barrier: what is secret is sealed before it reaches a database, and opens only in its own place.

A keyring of data keys seals rows with AES-256-GCM; each data key is itself sealed ("wrapped") by a master key, which never
enters the database: our own (`Master`), or one that a key service keeps (`keepers`). Sealed bytes are

    version (1) | data key id (16) | nonce (12) | ciphertext and tag

and the row's place, its table, owner, connection and key, is the associated data: a row copied to another user's place, or
relabelled as another provider's, does not open.
Moving to another master wraps the data keys anew; rotating the data key seals new rows with a new one, and old rows open with
the old until they are sealed again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from remit_server.errors import ConfigurationError, IntegrityError
from remit_server.storage.sql.statements import Table

VERSION: Final = b"\x01"
_ID, _NONCE, _TAG = 16, 12, 16


def place_of(table: Table, row: Mapping[str, Any]) -> bytes:
    """The associated data of a row: where it lies, whose it is, and for which connection."""
    names = (*(name for name in ("user_id", "connection") if name in table.columns), *table.key)
    # Lengths first, so that no two places are spelled alike whatever their parts contain.
    parts = [table.name, *("" if row[name] is None else str(row[name]) for name in names)]
    return "|".join(f"{len(part)}:{part}" for part in parts).encode()


@dataclass(frozen=True)
class Master:
    """A master key of our own: 32 bytes from a file or the environment. `id` is a public fingerprint of it."""

    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.key) != 32:
            raise ConfigurationError("the master key must be 32 bytes (base64url, 43 characters)")

    @property
    def id(self) -> str:
        return hashlib.sha256(b"remit master key id" + self.key).hexdigest()[:16]

    async def wrap(self, data_key: bytes, key_id: str) -> bytes:
        nonce = os.urandom(_NONCE)
        return VERSION + nonce + AESGCM(self.key).encrypt(nonce, data_key, f"data_keys|{key_id}".encode())

    async def unwrap(self, wrapped: bytes, key_id: str) -> bytes:
        """Raises `IntegrityError` when this master did not wrap it."""
        if wrapped[:1] != VERSION or len(wrapped) < 1 + _NONCE + _TAG:
            raise IntegrityError("a wrapped data key has an unknown version or is cut short")
        try:
            return AESGCM(self.key).decrypt(
                wrapped[1 : 1 + _NONCE], wrapped[1 + _NONCE :], f"data_keys|{key_id}".encode()
            )
        except InvalidTag as error:
            raise IntegrityError("the master key does not open this database's data keys") from error


class Barrier:
    """Seals and opens with a keyring; `current` seals."""

    def __init__(self, keys: Mapping[str, bytes], current: str) -> None:
        self._keys = {bytes.fromhex(key_id): AESGCM(key) for key_id, key in keys.items()}
        self.use(current)

    def __repr__(self) -> str:
        return f"Barrier({len(self._keys)} keys)"

    def __contains__(self, key_id: str) -> bool:
        return bytes.fromhex(key_id) in self._keys

    def add(self, key_id: str, key: bytes) -> None:
        """A further key to open with."""
        self._keys[bytes.fromhex(key_id)] = AESGCM(key)

    def use(self, key_id: str) -> None:
        """Seal with this key from now on."""
        if key_id not in self:
            raise IntegrityError("the keyring has no current key")
        self._current = bytes.fromhex(key_id)

    @staticmethod
    def new_key() -> tuple[str, bytes]:
        """A fresh data key with its id (hex, 16 bytes)."""
        return os.urandom(_ID).hex(), AESGCM.generate_key(256)

    def seal(self, plain: bytes, where: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return VERSION + self._current + nonce + self._keys[self._current].encrypt(nonce, plain, where)

    def open(self, sealed: bytes, where: bytes) -> bytes:
        """Raises `IntegrityError` for bytes that were changed, moved, or sealed by an unknown key."""
        if sealed[:1] != VERSION or len(sealed) < 1 + _ID + _NONCE + _TAG:
            raise IntegrityError("sealed bytes have an unknown version or are cut short")
        cipher = self._keys.get(sealed[1 : 1 + _ID])
        if cipher is None:
            raise IntegrityError("sealed bytes name a data key that is not in the keyring")
        start = 1 + _ID
        try:
            return cipher.decrypt(sealed[start : start + _NONCE], sealed[start + _NONCE :], where)
        except InvalidTag as error:
            raise IntegrityError("sealed bytes were changed or moved to another place") from error

    def lacks_key_of(self, sealed: bytes) -> bool:
        """Whether these bytes name a key that is not in the keyring."""
        return sealed[1 : 1 + _ID] not in self._keys

    def stale(self, sealed: bytes) -> bool:
        """Whether another than the current key sealed this."""
        return sealed[1 : 1 + _ID] != self._current
