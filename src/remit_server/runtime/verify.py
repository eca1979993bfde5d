"""Opens tokens of our own that come back to us.

A token is looked up by the SHA-256 of its whole string: who presents a string with a stored hash presents what we issued, so
no signature needs checking, and the same read tells whether it, its agreement or its client has been revoked.
"""

from __future__ import annotations

from dataclasses import dataclass

from remit_server.records import Client, Token, User
from remit_server.runtime.clock import Clock
from remit_server.runtime.ids import hashed
from remit_server.storage.groups.agreements import Held
from remit_server.storage.store import Store


@dataclass(frozen=True)
class Live:
    """A token that is good now, the client that it was issued to, and the person it is for, if there is one."""

    token: Token
    client: Client
    user: User | None

    @property
    def person_is_active(self) -> bool:
        """False when it is for a person who is gone or blocked."""
        return self.token.user_id is None or (self.user is not None and self.user.state == "active")


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
        return await self.judged(await self._store.tokens.held(hashed(value)), kind=kind)

    async def judged(self, held: Held | None, *, kind: str | None = None) -> Live | Dead:
        """The same, of a token that was read together with something else."""
        if held is None:
            return Dead("unknown")
        client = await self._store.clients.get(held.token.client_id)
        why = _fault(held, client, kind, self._clock.now())
        if why is not None:
            return Dead(why, held.token)
        assert client is not None, "a client that is not there is a fault"
        return Live(held.token, client, held.user)


def _fault(held: Held, client: Client | None, kind: str | None, now: int) -> str | None:
    """The first thing that is wrong with a stored token, None when nothing is."""
    token = held.token
    faults = {
        f"not {kind}": kind is not None and token.kind != kind,
        "expired": token.expires_at <= now,
        "revoked or spent": token.revoked_at is not None or token.used_at is not None,
        "its agreement was revoked": held.grant_revoked_at is not None,
        "its client is not active": client is None or client.state != "active",
    }
    return next((why for why, true in faults.items() if true), None)
