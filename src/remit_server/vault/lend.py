"""Lending: a person lets one agent use one account, also while they are away, and takes it back."""

from __future__ import annotations

import msgspec

from remit_server.errors import NotFound
from remit_server.records import ConnectedAccount, Event, Lending, User
from remit_server.records.connection import ORGANISATION
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost, Step


def lent(
    machines: Machines, user_id: str, account: ConnectedAccount, client_id: str, *, away: bool, before: Lending | None
) -> tuple[Step, Event]:
    """The step and the event of a lending, for the unit of whoever lends. `before` is what it was: when it was given, and
    when the agent last used it, stay."""
    lending = before or Lending(
        account_id=account.id, user_id=user_id, client_id=client_id, created_at=machines.clock.now()
    )
    event = machines.event(
        "vault.lent", user=user_id, client=client_id, subject=account.id, connection=account.connection, away=away
    )
    return machines.store.lendings.put(msgspec.structs.replace(lending, away=away)), event


async def lend(machines: Machines, user: User, account: ConnectedAccount, client_id: str, *, away: bool) -> None:
    """Let an agent use an account of the person, or one of the organisation that they may borrow. Raises `NotFound` for
    somebody else's, and for an agent that does not borrow at this connection."""
    client = await machines.store.clients.get(client_id)
    if client is None or account.connection not in client.connections:
        raise NotFound(detail="no such agent here")
    if account.user_id not in {user.id, ORGANISATION}:
        raise NotFound(detail="somebody else's account")
    before = await machines.store.lendings.get(account.id, user.id, client_id)
    step, event = lent(machines, user.id, account, client_id, away=away, before=before)
    await machines.store.commit(step, events=(event,))


async def take_back(machines: Machines, user: User, account: ConnectedAccount, client_id: str) -> None:
    """End a lending of the person. Raises `NotFound` when there is none."""
    event = machines.event(
        "vault.lending_ended", user=user.id, client=client_id, subject=account.id, connection=account.connection
    )
    try:
        await machines.store.commit(machines.store.lendings.end(account.id, user.id, client_id), events=(event,))
    except Lost as error:
        raise NotFound(detail="not lent") from error
