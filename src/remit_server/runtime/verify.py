"""Opens tokens of our own that come back to us.

A token is looked up by the SHA-256 of its whole string: who presents a string with a stored hash presents what we issued, so
no signature needs checking, and the same read tells whether it, its agreement or its client has been revoked.
"""

from __future__ import annotations

from dataclasses import dataclass

from remit_server.records import Client, Token
from remit_server.runtime.clock import Clock
from remit_server.runtime.ids import hashed
from remit_server.storage.store import Store


@dataclass(frozen=True)
class Live:
    """A token that is good now, and the client that it was issued to."""

    token: Token
    client: Client


@dataclass(frozen=True)
class Dead:
    """A token that is not; `why` is for the log, never for the caller."""

    why: str
    token: Token | None = None


class TokenVerifier:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def __call__(self, value: str, *, kind: str | None = None) -> Live | Dead:
        """Whether a token string is good now. `kind` demands `access` or `refresh`."""
        held = await self._store.tokens.held(hashed(value))
        if held is None:
            return Dead("unknown")
        token = held.token
        if kind and token.kind != kind:
            return Dead(f"not {kind}", token)
        if token.expires_at <= self._clock.now():
            return Dead("expired", token)
        if token.revoked_at is not None or token.used_at is not None:
            return Dead("revoked or spent", token)
        if held.grant_revoked_at is not None:
            return Dead("its agreement was revoked", token)
        client = await self._store.clients.get(token.client_id)
        if client is None or client.state != "active":
            return Dead("its client is not active", token)
        return Live(token, client)
