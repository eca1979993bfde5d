"""Connect flows that nobody completed: what the provider granted in them is revoked there before it is forgotten."""

from __future__ import annotations

import asyncio
from typing import Final

from remit_server.records import ConnectAttempt, ConnectedAccount
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost
from remit_server.vault import upstream

AT_ONCE, TOGETHER = 50, 4
ENOUGH: Final = 600
"""Seconds after a flow's end in which the provider is asked; what it does not confirm by then is left to the sweep."""


async def give_back(machines: Machines) -> int:
    """One run; how many flows were over."""
    now = machines.clock.now()
    over = await machines.store.connect_attempts.abandoned(now, now - ENOUGH, AT_ONCE)
    slots = asyncio.Semaphore(TOGETHER)

    async def one(attempt: ConnectAttempt) -> None:
        async with slots:
            await _end(machines, attempt)

    await asyncio.gather(*map(one, over))
    return len(over)


async def _end(machines: Machines, attempt: ConnectAttempt) -> None:
    store, fresh = machines.store, attempt.account
    connection = await store.connections.get(attempt.connection)
    events = []
    if fresh is not None and connection is not None and not await _in_use(machines, fresh):
        if not await upstream.revoke(machines, connection, fresh):
            return
        events.append(
            machines.event(
                "vault.given_back", user=attempt.user_id, client=attempt.client_id, connection=connection.name
            )
        )
    try:
        await store.commit(store.connect_attempts.remove(attempt.ticket, machines.clock.now()), events=tuple(events))
    except Lost:
        return  # another node was as quick


async def _in_use(machines: Machines, fresh: ConnectedAccount) -> bool:
    """Whether the same account may have been connected otherwise. Many providers know one grant for each person and client:
    to revoke this token would end the other one, too."""
    there = await machines.store.connected_accounts.connected(fresh.user_id, fresh.connection)
    return any(None in (one.upstream_id, fresh.upstream_id) or one.upstream_id == fresh.upstream_id for one in there)
