"""Lending: a person lets one agent use one account, also while they are away, and takes it back."""

from __future__ import annotations

from remit_server.errors import NotFound
from remit_server.records import ConnectedAccount, Event, Lending, User
from remit_server.records.connection import ORGANISATION
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost, Step


def lent(
    machines: Machines, user: User, account: ConnectedAccount, client_id: str, *, away: bool
) -> tuple[Step, Event]:
    """The step and the event of a lending, for the unit of whoever lends."""
    lending = Lending(
        account_id=account.id, user_id=user.id, client_id=client_id, away=away, created_at=machines.clock.now()
    )
    event = machines.event(
        "vault.lent", user=user.id, client=client_id, subject=account.id, connection=account.connection, away=away
    )
    return machines.store.lendings.put(lending), event


async def lend(machines: Machines, user: User, account: ConnectedAccount, client_id: str, *, away: bool) -> None:
    """Let an agent use an account of the person, or one of the organisation that they may borrow. Raises `NotFound` for
    somebody else's, and for an agent that does not borrow at this connection."""
    client = await machines.store.clients.get(client_id)
    if client is None or account.connection not in client.connections:
        raise NotFound(detail="no such agent here")
    if account.user_id not in {user.id, ORGANISATION}:
        raise NotFound(detail="somebody else's account")
    step, event = lent(machines, user, account, client_id, away=away)
    await machines.store.commit(step, events=(event,))


async def take_back(machines: Machines, user: User, account_id: str, client_id: str) -> None:
    """End a lending of the person. Raises `NotFound` when there is none."""
    event = machines.event("vault.lending_ended", user=user.id, client=client_id, subject=account_id)
    try:
        await machines.store.commit(machines.store.lendings.end(account_id, user.id, client_id), events=(event,))
    except Lost as error:
        raise NotFound(detail="not lent") from error
