"""The server's own secrets: random, made on the first start, sealed in the store."""

from __future__ import annotations

import hmac
import os
from contextlib import suppress

from remit_server.storage.contract import Lost
from remit_server.storage.store import Store


class Peppers:
    """Keyed hashing, a key for each use, so that what is hashed for one purpose means nothing for another."""

    def __init__(self, root: bytes) -> None:
        self._root = root
        self._keys: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return "Peppers()"

    @classmethod
    async def load(cls, store: Store) -> Peppers:
        root = await store.secrets.get("pepper")
        if root is None:
            with suppress(Lost):  # another node was first; its pepper is everybody's
                await store.commit(store.secrets.add("pepper", os.urandom(32)))
            root = await store.secrets.get("pepper")
        assert root is not None
        return cls(root)

    def mac(self, purpose: str, value: str) -> str:
        """Hex HMAC-SHA-256 under the key of this purpose."""
        key = self._keys.get(purpose)
        if key is None:
            key = self._keys[purpose] = hmac.digest(self._root, purpose.encode(), "sha256")
        return hmac.digest(key, value.encode(), "sha256").hex()

    def client_secret(self, secret: str) -> str:
        """How a client secret is kept: fast, because the token endpoint is hot; keyed, so that a copy of the database alone
        does not allow guessing secrets that people chose themselves."""
        return self.mac("client secret", secret)

    def matches(self, purpose: str, value: str, expected: str) -> bool:
        """In constant time."""
        return hmac.compare_digest(self.mac(purpose, value), expected)
