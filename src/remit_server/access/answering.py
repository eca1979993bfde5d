"""Who answers for the relations here: the one place that knows which settings mean whom."""

from __future__ import annotations

from remit_server.access.embedded import EmbeddedRelations
from remit_server.access.remote import RemoteRelations
from remit_server.config import Settings
from remit_server.runtime.clock import Clock
from remit_server.runtime.outbound import Outbound
from remit_server.runtime.ports import Relations
from remit_server.storage.store import Store


def answering(settings: Settings, store: Store, outbound: Outbound, clock: Clock) -> Relations:
    if settings.relations_server is not None:
        return RemoteRelations(settings.relations_server, outbound, clock)
    return EmbeddedRelations(store)
