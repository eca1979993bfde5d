"""The company's stop button. A suspended client can do nothing: whatever opens a token looks at the client's state first,
on every node, from the moment that the unit below is durable (a wake drops what they have cached)."""

from __future__ import annotations

from remit_server.errors import Conflict, NotFound
from remit_server.records import Actor, Client, Event
from remit_server.runtime.clock import Clock
from remit_server.runtime.ids import new_id
from remit_server.storage.contract import Lost, Step
from remit_server.storage.store import Store


async def suspend(store: Store, clock: Clock, client_id: str, **by: str) -> Client:
    """Refuse every token of the client, and deny all that it has asked people and not yet taken.

    `by` says who and why: `user`, the id of an administrator; anything else is told in the event. Raises `NotFound`, or
    `Conflict` when the client is not active.
    """
    closing = store.approvals.close_all(client_id, clock.now(), "The agent was suspended.")
    return await _move(store, clock, client_id, "active", "suspended", closing, **by)


async def resume(store: Store, clock: Clock, client_id: str, **by: str) -> Client:
    """Let the client work again: its unexpired tokens are good once more, what it had asked stays denied.

    Raises `NotFound`, or `Conflict` when the client is not suspended.
    """
    return await _move(store, clock, client_id, "suspended", "active", **by)


async def _move(
    store: Store, clock: Clock, client_id: str, was: str, state: str, *after: Step, user: str | None = None, **about: str
) -> Client:  # fmt: skip
    client = await store.clients.get(client_id)
    if client is None:
        raise NotFound(f"There is no client {client_id}.")
    event = Event(
        id=new_id(), at=clock.now(), kind="client.suspended" if state == "suspended" else "client.resumed",
        actor=Actor(user=user), subject=client_id, about={"name": client.name, **about},
    )  # fmt: skip
    try:
        await store.commit(store.clients.move(client_id, was=was, state=state), *after, events=(event,))
    except Lost as error:
        raise Conflict(f"{client.name} is not {was}.") from error
    return client
