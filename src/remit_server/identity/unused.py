"""What nobody uses any more goes: agreements without tokens, and clients that registered themselves and never came back.

Anybody can register a client, so what is registered must not pile up for ever.
"""

from __future__ import annotations

from contextlib import suppress

from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost

DAY = 86_400


async def forget_unused(machines: Machines) -> dict[str, int]:
    """Remove both; how many, by table."""
    return {"grants": await _agreements(machines), "clients": await _clients(machines)}


async def _agreements(machines: Machines) -> int:
    """No event: it allowed nothing any more but not to be asked again."""
    store, settings, count = machines.store, machines.settings, 0
    # An approval is an agreement before its tokens are fetched.
    kept = max(settings.agreement_lifetime, settings.longest_approval + DAY)
    while ids := await store.grants.without_tokens(machines.clock.now() - kept):
        await store.commit(*(store.grants.remove(id_) for id_ in ids))
        count += len(ids)
    return count


async def _clients(machines: Machines) -> int:
    lifetime, count, after = machines.settings.unused_client_lifetime, 0, ""
    if lifetime == 0:
        return 0
    until = machines.clock.now() - lifetime
    while page := await machines.store.clients.without_use(after):
        after = page[-1].id
        for client in page:
            if client.dynamic and max(client.created_at, client.updated_at) <= until:
                with suppress(Lost):  # it has just removed itself
                    await _remove(machines, client.id)
                    count += 1
    return count


async def _remove(machines: Machines, client_id: str) -> None:
    event = machines.event("client.removed", client=client_id, subject=client_id, dynamic=True, why="unused")
    await machines.store.commit(machines.store.clients.remove(client_id), events=(event,))
