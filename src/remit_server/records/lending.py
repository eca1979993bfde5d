"""What a person lends: one account of theirs, to one agent."""

from __future__ import annotations

from msgspec import Struct

from remit_server.records.connection import ConnectedAccount


class Lending(Struct, frozen=True, kw_only=True):
    """A person's word that an agent may use an account.

    Without one, an agent that the organisation configured for the connection may use an account that is not `limited`, while
    the person is there.
    """

    account_id: str
    user_id: str
    """Who lends. For an account of the organisation: the person who borrows it and lends it on."""
    client_id: str
    away: bool = False
    """The agent may use it while the person is not there, too."""
    created_at: int = 0
    used_at: int | None = None
    """When the agent last used it."""


class Offer(Struct, frozen=True):
    """An account that an agent might borrow, with the person's word about it, if they gave one."""

    account: ConnectedAccount
    lending: Lending | None = None
