"""How a person stands to an agent: it may not ask any more, it is reported, or it is stopped altogether."""

from __future__ import annotations

from remit_server.approvals.ask import wakes
from remit_server.errors import Forbidden, NotFound
from remit_server.records import Client, User
from remit_server.rules import scopes
from remit_server.rules.answering import OPEN
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost, Unit
from remit_server.wire.bearer import Caller

STOPPED = "The person stopped the agent."


def own(who: Caller) -> None:
    """Raises `Forbidden` for a client that may not have these scopes any more."""
    if scopes.STANDING.isdisjoint(scopes.of_account(who.client)):
        raise Forbidden("Only the organisation's own apps see and change what agents may do, and agents never.")


async def agent(machines: Machines, client_id: str) -> Client:
    """Raises `NotFound`."""
    found = await machines.store.clients.get(client_id)
    if found is None:
        raise NotFound("There is no such agent.")
    return found


def blocking(machines: Machines, user: User, client_id: str, *, address: str | None = None) -> Unit:
    """The agent may not ask this person any more, until they take it back."""
    event = machines.event("agent.blocked", user=user.id, client=client_id, subject=client_id, address=address)
    return Unit([machines.store.blocked_askers.add(user.id, client_id, machines.clock.now())], [event])


def reporting(
    machines: Machines, user: User, client_id: str, *, reason: str | None, approval: str | None = None,
    address: str | None = None,
) -> Unit:  # fmt: skip
    """The company learns that something about this agent is wrong."""
    event = machines.event(
        "agent.reported", user=user.id, client=client_id, subject=client_id, address=address, reason=reason,
        approval=approval,
    )  # fmt: skip
    return Unit([], [event])


async def stopping(machines: Machines, user: User, client_id: str, *, address: str | None = None) -> Unit:
    """All that the agent has of this person ends with the unit: agreements with every token under them, what it was lent, what
    was allowed ahead, and what it has asked. It may not ask again either, until they take that back."""
    store, now = machines.store, machines.clock.now()
    asked = [each for each in await store.approvals.of_user(user.id) if each.client_id == client_id]
    steps = (
        store.blocked_askers.add(user.id, client_id, now),
        store.grants.revoke_all(user.id, client_id, now, STOPPED),
        store.lendings.end_all(user.id, client_id),
        store.allowances.revoke_all(user.id, client_id, now),
        store.approvals.close_of(client_id, user.id, now, STOPPED),
    )
    event = machines.event("agent.stopped", user=user.id, client=client_id, subject=client_id, address=address)
    open_ = (each for each in asked if each.state in {*OPEN, "approved"})
    return Unit(steps, [event], list(dict.fromkeys(topic for each in open_ for topic in wakes(each))))


async def done(machines: Machines, *units: Unit) -> None:
    """Write them, as one."""
    await machines.store.commit(
        *(step for unit in units for step in unit.steps),
        events=tuple(event for unit in units for event in unit.events),
        wakes=tuple(wake for unit in units for wake in unit.wakes),
    )


async def unblock(machines: Machines, user: User, client_id: str, *, address: str | None = None) -> None:
    """The agent may ask again. Raises `NotFound` where it is not blocked."""
    event = machines.event("agent.unblocked", user=user.id, client=client_id, subject=client_id, address=address)
    try:
        await machines.store.commit(machines.store.blocked_askers.remove(user.id, client_id), events=(event,))
    except Lost as error:
        raise NotFound("You have not blocked this agent.") from error
