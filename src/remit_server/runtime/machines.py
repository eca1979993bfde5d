"""All machines of a running server in one frozen bundle, made by `app.py` and handed to every room."""

from __future__ import annotations

from dataclasses import dataclass, field

from remit_server.config import Settings
from remit_server.records import Actor, Event
from remit_server.runtime import traces
from remit_server.runtime.background import Background
from remit_server.runtime.clock import Clock
from remit_server.runtime.discovery import Discovery
from remit_server.runtime.ids import new_id
from remit_server.runtime.mint import Mint
from remit_server.runtime.outbound import Outbound
from remit_server.runtime.passwords import Passwords
from remit_server.runtime.ports import Decide, Relations
from remit_server.runtime.secrets import Peppers
from remit_server.runtime.signing import KeyRing
from remit_server.runtime.throttle import Throttle
from remit_server.runtime.traces import Traces
from remit_server.runtime.verify import TokenVerifier
from remit_server.storage.store import Store


@dataclass(frozen=True)
class Machines:
    settings: Settings
    clock: Clock
    store: Store
    keys: KeyRing
    mint: Mint
    verify: TokenVerifier
    peppers: Peppers
    passwords: Passwords
    outbound: Outbound
    discovery: Discovery
    throttle: Throttle
    decide: Decide = field(repr=False)
    relations: Relations = field(repr=False)
    background: Background = field(default_factory=Background)
    traces: Traces = field(default_factory=Traces)

    def event(
        self,
        kind: str,
        *,
        user: str | None = None,
        client: str | None = None,
        chain: tuple[str, ...] = (),
        subject: str | None = None,
        address: str | None = None,
        **about: object,
    ) -> Event:
        """An event of this moment."""
        return Event(
            id=new_id(), at=self.clock.now(), kind=kind, actor=Actor(user=user, client=client, chain=chain),
            subject=subject, about=about, address=address, trace=traces.current(),
        )  # fmt: skip
