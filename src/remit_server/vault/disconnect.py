"""Disconnect: agents stop at once, the provider is told, and the person hears whether it confirmed."""

from __future__ import annotations

import asyncio
from typing import Final, Literal

import msgspec
import structlog

from remit_server.errors import Conflict, IntegrityError, NotFound, RemitError
from remit_server.records import ConnectedAccount, Connection, User
from remit_server.rules import keeping
from remit_server.rules.connection import belongs
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost
from remit_server.vault import upstream

log = structlog.get_logger("remit")

RACES = 4
ALONE: Final = 120
"""Seconds after which a disconnect that a person began is carried on for them: longer than any that they still wait for."""
ENOUGH: Final = 86_400
"""Seconds for which a provider is told again that did not confirm, where no person waits to hear of it."""
AT_ONCE, TOGETHER = 50, 4
UNREADABLE: Final = 3600
"""Seconds until a row that does not open is looked at again."""
BEGUN: Final = "It is being disconnected: the provider is told again until it confirms, for a day."
"""The cause of the state, for the person."""

Outcome = Literal["confirmed", "unconfirmed", "untold"]
"""`untold`: the provider has no way to be told."""


async def disconnect(
    machines: Machines, user: User, account: ConnectedAccount, *, client: str | None = None
) -> Outcome:
    """Remove an account that this person may change (`accounts.changeable`). Raises `NotFound` when it went meanwhile.

    First nobody borrows any more, then the provider is asked to take the grant back, last the row goes: a crash in between
    leaves a row that says so; it can be disconnected again, or waits for `carry_on`.
    """
    store = machines.store
    ended = await _ended(machines, account)
    connection = await store.connections.get(ended.connection)
    confirmed = connection is not None and await upstream.revoke(machines, connection, ended)
    if not await _gone(machines, ended, confirmed=confirmed, user=user.id, client=client):
        raise NotFound(detail="disconnected in this moment by another request")
    if confirmed:
        return "confirmed"
    return "unconfirmed" if connection is not None and _hears(connection) else "untold"


async def carry_on(machines: Machines) -> int:
    """Disconnects that nobody waits for: of people who were removed, and of a server that died meanwhile. What a provider does
    not confirm is told to it again, for a day; then the row goes, and the event says that it did not confirm. How many were
    due."""
    accounts = machines.store.connected_accounts
    due = await accounts.parting(machines.clock.now(), AT_ONCE)
    slots = asyncio.Semaphore(TOGETHER)

    async def one(account_id: str, user_id: str) -> None:
        async with slots:
            try:
                account = await accounts.get(account_id, user_id)
                if account is not None and account.state == "disconnected":
                    await _carry_on(machines, account)
            except IntegrityError as error:
                log.warning("an account does not open", account=account_id, fault=str(error))
                now = machines.clock.now()
                await machines.store.commit(accounts.postpone(account_id, now, now + UNREADABLE))
            except RemitError as error:
                log.warning("a disconnect was not carried on", account=account_id, fault=str(error))

    await asyncio.gather(*(one(*each) for each in due))
    return len(due)


async def _carry_on(machines: Machines, account: ConnectedAccount) -> None:
    store, now = machines.store, machines.clock.now()
    connection = await store.connections.get(account.connection)
    tellable = connection is not None and _hears(connection) and belongs(account, connection)
    confirmed = connection is not None and await upstream.revoke(machines, connection, account)
    # What failed before was a refresh.
    since, failures = (account.failing_since or now, account.failures) if account.cause == BEGUN else (now, 0)
    if confirmed or not tellable or now - since >= ENOUGH:
        await _gone(machines, account, confirmed=confirmed)
        return
    log.warning("a provider did not confirm a disconnect", account=account.id, connection=account.connection)
    later = msgspec.structs.replace(
        account, cause=BEGUN, failing_since=since, failures=failures + 1, retry_at=now + keeping.pause(failures + 1)
    )
    try:
        await store.commit(store.connected_accounts.save(later))
    except Lost:
        return  # disconnected in this moment by its person


async def _gone(
    machines: Machines,
    account: ConnectedAccount,
    *,
    confirmed: bool,
    user: str | None = None,
    client: str | None = None,
) -> bool:
    """The row goes, with what was lent of it; False when it was gone. Without a user nobody waited for it."""
    store = machines.store
    event = machines.event(
        "vault.disconnected", user=user, client=client, subject=account.id, connection=account.connection,
        upstream_confirmed=confirmed,
    )  # fmt: skip
    steps = store.connected_accounts.remove(account.id, account.user_id), store.lendings.end_of_account(account.id)
    try:
        await store.commit(*steps, events=(event,))
    except Lost:
        return False
    return True


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
            found, state="disconnected", cause=BEGUN, failing_since=None, failures=0,
            retry_at=machines.clock.now() + ALONE,
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
