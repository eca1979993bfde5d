"""The company's stop button. A suspended client can do nothing: whatever opens a token looks at the client's state first,
on every node, from the moment that the unit below is durable (a wake drops what they have cached)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit_server.errors import Conflict, NotFound
from remit_server.records import Actor, Client, Event
from remit_server.runtime.clock import Clock
from remit_server.runtime.ids import new_id
from remit_server.storage.contract import Lost
from remit_server.storage.store import Store


async def suspend(
    store: Store, clock: Clock, client_id: str, *, by: str | None = None, about: Mapping[str, Any] | None = None
) -> Client:
    """Refuse every token of the client, and deny all that it has asked people and not yet taken.

    `by` is the id of the administrator. Raises `NotFound`, or `Conflict` when it is not active.
    """
    closing = store.approvals.close_all(client_id, clock.now(), "The agent was suspended.")
    return await _move(store, clock, client_id, ("active", "suspended"), "client.suspended", by, about, closing)


async def resume(
    store: Store, clock: Clock, client_id: str, *, by: str | None = None, about: Mapping[str, Any] | None = None
) -> Client:
    """Let the client work again: its unexpired tokens are good once more, what it had asked stays denied.

    Raises `NotFound`, or `Conflict` when it is not suspended.
    """
    return await _move(store, clock, client_id, ("suspended", "active"), "client.resumed", by, about)


async def _move(
    store: Store,
    clock: Clock,
    client_id: str,
    states: tuple[str, str],
    kind: str,
    by: str | None,
    about: Mapping[str, Any] | None,
    *after: Any,
) -> Client:
    client = await store.clients.get(client_id)
    if client is None:
        raise NotFound(f"There is no client {client_id}.")
    was, state = states
    event = Event(
        id=new_id(), at=clock.now(), kind=kind, actor=Actor(user=by), subject=client_id,
        about={"name": client.name, **(about or {})},
    )  # fmt: skip
    try:
        await store.commit(store.clients.move(client_id, was=was, state=state), *after, events=(event,))
    except Lost as error:
        raise Conflict(f"{client.name} is not {was}.") from error
    return client
