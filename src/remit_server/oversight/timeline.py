"""The trail as people read it: one sentence an event, and the mark that says whether the chain holds."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from remit_server.errors import IntegrityError
from remit_server.records import Event
from remit_server.records.event import KINDS
from remit_server.runtime.clock import Clock
from remit_server.storage.store import Store

CHECKED_FOR: Final = 60
"""Seconds that the state of the chain is shown before it is worked out anew."""

REFUSED: Final = frozenset(
    {
        "user.sign_in_failed", "user.second_factor_refused", "passkey.refused", "consent.refused", "code.reused", "token.reused",
        "token.refused", "approval.denied", "approval.expired", "approval.not_spent", "vault.refresh_failed", "access.denied",
        "access.needed", "policy.denied", "client.suspended",
    }
)  # fmt: skip
_SAYS: Final[dict[str, str]] = {
    "client.created": "{subject} was registered",
    "client.changed": "{subject} was changed",
    "client.suspended": "{subject} was suspended: every token of it is refused from then on",
    "client.resumed": "{subject} may work again",
    "client.removed": "{subject} was removed",
    "user.signed_in": "{user} signed in",
    "user.sign_in_failed": "Somebody failed to sign in as {user}",
    "user.second_factor_added": "{user} set up an authenticator app",
    "user.second_factor_removed": "An authenticator app was removed",
    "user.second_factor_refused": "A wrong or spent code was given for {user}",
    "passkey.added": "{user} added a passkey: {subject}",
    "passkey.removed": "A passkey was removed: {subject}",
    "passkey.used": "{user} proved with a passkey who they are: {subject}",
    "passkey.refused": "A passkey of {user} was refused: {subject}",
    "user.signed_out": "{user} signed out",
    "consent.given": "{user} allowed {client} to act for them",
    "consent.refused": "{user} refused {client}",
    "code.issued": "{user} was sent back to {client}",
    "token.issued": "{client} received access{scope}",
    "token.refreshed": "{client} renewed its access{scope}",
    "token.reused": "{client} presented a spent refresh token: its access was revoked",
    "code.reused": "{client} presented a spent code: its access was revoked",
    "token.revoked": "A token of {client} was revoked",
    "approval.asked": "{client} asked {user}{act}",
    "approval.approved": "{user} approved what {client} had asked{act}",
    "approval.denied": "{user} denied what {client} had asked{act}",
    "approval.expired": "What {client} had asked was not answered in time{act}",
    "approval.taken": "{client} was handed what {user} had approved, for one use{act}",
    "approval.question": "{user} asked {client} something first{act}",
    "approval.answered_question": "{client} replied to {user}{act}",
    "approval.spent": "{client} carried out what was approved{act}",
    "approval.not_spent": "{client} tried what was not approved, or was done before{act}",
    "allowance.given": "{user} allowed {client} a kind of act ahead",
    "allowance.used": "{client} used what {user} had allowed ahead",
    "allowance.revoked": "{user} took back what {client} was allowed ahead",
    "agent.blocked": "{user} does not want to be asked by {client} any more",
    "agent.unblocked": "{user} lets {client} ask again",
    "agent.reported": "{user} reported {client}",
    "agent.stopped": "{user} stopped {client}: all that it had of theirs has ended",
    "vault.connect_started": "{user} was sent to {connection} to connect an account",
    "vault.connected": "{user} connected an account at {connection}",
    "vault.disconnected": "{user} disconnected {connection}",
    "vault.lent": "{user} let {client} use an account at {connection}",
    "vault.lending_ended": "{user} took back what {client} might use at {connection}",
    "vault.default_chosen": "{user} chose another default account at {connection}",
    "vault.limited": "{user} changed which agents may use an account at {connection}",
    "vault.exchanged": "{client} borrowed access to {connection}",
    "vault.refreshed": "Access to {connection} was renewed there",
    "vault.refresh_failed": "Access to {connection} could not be renewed",
    "vault.recovered": "Access to {connection} works again",
    "vault.given_back": "What {connection} granted was given back, because connecting was not completed",
    "vault.proxied": "{client} called {connection} through the vault{call}",
    "vault.call_refused": "{client} tried a call at {connection} that no rule allows{times}",
    "access.denied": "{client} asked about {asked} objects for a person, and {withheld} of them were withheld",
}

Name = Callable[[str | None], str]

_OF_NOBODY: Final = {"vault.disconnected": "An account at {connection} was disconnected"}
"""The same where no person did it."""


def sentence(event: Event, *, user: Name, client: Name, connection: Name, act: Name) -> str:
    """What happened, in one sentence of ours.

    Args:
        event: what the trail says.
        user: the name of a person, by id.
        client: the name of a client, by id.
        connection: the name of a provider, by that of its connection.
        act: what an approval was about, by its id: "buy 10 shares of ZEKO"; empty where that is not to be told.
    """
    says = (_OF_NOBODY.get(event.kind) if event.actor.user is None else None) or _SAYS.get(event.kind)
    if says is None:
        return KINDS[event.kind]
    scope = event.about.get("scope")
    words: dict[str, Any] = {
        "user": user(event.actor.user),
        "client": client(event.actor.client),
        "subject": event.about.get("name") or client(event.subject),
        "connection": connection(event.about.get("connection")),
        "act": f": {told}" if event.kind.startswith("approval.") and (told := act(event.subject)) else "",
        "scope": f": {scope}" if scope else "",
        "times": f", {times} times" if (times := event.about.get("times")) else "",
        "asked": event.about.get("asked"),
        "withheld": event.about.get("withheld"),
        "call": f": {event.about.get('method')} {str(event.about.get('path'))[:120]}",
    }
    return says.format(**words)


class ChainState(Struct, frozen=True, kw_only=True):
    events: int
    checked_at: int
    broken_at: int | None = None
    """Number of the first event that does not verify."""


class ChainWatch:
    """Whether the chain holds, worked out by one reader at a time for all who ask."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._state: ChainState | None = None
        self._lock = asyncio.Lock()

    async def state(self) -> ChainState:
        async with self._lock:
            now = self._clock.now()
            if self._state is None or self._state.checked_at + CHECKED_FOR <= now:
                self._state = await self._verified(now)
            return self._state

    async def _verified(self, now: int) -> ChainState:
        try:
            verified = await self._store.trail.verify()
        except IntegrityError as error:
            number = re.search(r"\d+", str(error))
            broken_at = int(number[0]) if number else 1
            return ChainState(events=broken_at - 1, checked_at=now, broken_at=broken_at)
        return ChainState(events=verified.count, checked_at=now)
