"""Disconnect: agents stop at once, the provider is told, and the person hears whether it confirmed."""

from __future__ import annotations

from typing import Literal

import msgspec

from remit_server.errors import Conflict, NotFound
from remit_server.records import ConnectedAccount, Connection, User
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost
from remit_server.vault import upstream

RACES = 4

Outcome = Literal["confirmed", "unconfirmed", "untold"]
"""`untold`: the provider has no way to be told."""


async def disconnect(
    machines: Machines, user: User, account: ConnectedAccount, *, client: str | None = None
) -> Outcome:
    """Remove an account that this person may change (`accounts.changeable`). Raises `NotFound` when it went meanwhile.

    First nobody borrows any more, then the provider is asked to take the grant back, last the row goes: a crash in between
    leaves a row that says so and can be disconnected again.
    """
    store = machines.store
    ended = await _ended(machines, account)
    connection = await store.connections.get(ended.connection)
    confirmed = connection is not None and await upstream.revoke(machines, connection, ended)
    event = machines.event(
        "vault.disconnected", user=user.id, client=client, subject=ended.id, connection=ended.connection,
        upstream_confirmed=confirmed,
    )  # fmt: skip
    steps = store.connected_accounts.remove(ended.id, ended.user_id), store.lendings.end_of_account(ended.id)
    try:
        await store.commit(*steps, events=(event,))
    except Lost as error:
        raise NotFound(detail="disconnected in this moment by another request") from error
    if confirmed:
        return "confirmed"
    return "unconfirmed" if connection is not None and _hears(connection) else "untold"


async def _ended(machines: Machines, account: ConnectedAccount) -> ConnectedAccount:
    """The account as it was when agents could not use it any more: with the newest token, which is the one to revoke."""
    accounts = machines.store.connected_accounts
    for _ in range(RACES):
        found = await accounts.get(account.id, account.user_id)
        if found is None:
            raise NotFound(detail="the account is gone")
        if found.state == "disconnected":
            return found
        ending = msgspec.structs.replace(
            found, state="disconnected", cause="Disconnecting was interrupted: do it again."
        )  # fmt: skip
        try:
            await machines.store.commit(accounts.save(ending))
        except Lost:
            continue  # refreshed in this moment
        return found
    raise Conflict


def _hears(connection: Connection) -> bool:
    """Whether there is a way to tell this provider."""
    if connection.kind in {"api_key", "basic"} or connection.revoke == "none":
        return False
    return connection.revoke != "rfc7009" or connection.revocation_endpoint is not None
