"""Disconnect: agents stop at once, the provider is told, and the person hears whether it confirmed."""

from __future__ import annotations

from typing import Literal

import msgspec

from remit_server.errors import Conflict, NotFound
from remit_server.records import User
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost
from remit_server.vault import upstream

RACES = 4


async def disconnect(
    machines: Machines, user: User, account_id: str, *, client: str | None = None
) -> Literal["confirmed", "unconfirmed"]:
    """Remove a person's account. Raises `NotFound`, the same for somebody else's as for none.

    First nobody borrows any more, then the provider is asked to take the grant back, last the row goes: a crash in between
    leaves a row that says so and can be disconnected again.
    """
    store = machines.store
    for _ in range(RACES):
        account = await store.connected_accounts.get(account_id, user.id)
        if account is None:
            raise NotFound(detail="no such account of this person")
        if account.state == "disconnected":
            break
        ending = msgspec.structs.replace(
            account, state="disconnected", cause="Disconnecting was interrupted: do it again."
        )
        try:
            await store.commit(store.connected_accounts.save(ending))
        except Lost:
            continue  # refreshed in this moment: the newer token is the one to revoke
        break
    else:
        raise Conflict
    connection = await store.connections.get(account.connection)
    confirmed = connection is not None and await upstream.revoke(machines, connection, account)
    event = machines.event(
        "vault.disconnected", user=user.id, client=client, subject=account.id, connection=account.connection,
        upstream_confirmed=confirmed,
    )  # fmt: skip
    try:
        await store.commit(store.connected_accounts.remove(account.id, user.id), events=(event,))
    except Lost as error:
        raise NotFound(detail="disconnected in this moment by another request") from error
    return "confirmed" if confirmed else "unconfirmed"
