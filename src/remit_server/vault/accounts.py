"""The accounts that a person sees: their own, and the organisation's where their agents may borrow them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from remit_server.errors import NotFound
from remit_server.records import ConnectedAccount, Event, User
from remit_server.records.connection import ORGANISATION
from remit_server.rules import sharing
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost, Step
from remit_server.vault.lend import lend, take_back


async def seen(machines: Machines, user: User) -> Sequence[ConnectedAccount]:
    """Those of the person, then the organisation's; oldest first."""
    store = machines.store
    own = await store.connected_accounts.of_user(user.id)
    shared = await store.connected_accounts.of_user(ORGANISATION)
    connections = {each.name: each for each in await store.connections.all()}
    return [*own, *(each for each in shared if sharing.sees(each, connections.get(each.connection), user))]


async def seen_one(machines: Machines, user: User, account_id: str) -> ConnectedAccount:
    """Raises `NotFound`, the same for one that is not this person's to see as for none."""
    for account in await seen(machines, user):
        if account.id == account_id:
            return account
    raise NotFound(detail="no such account for this person")


async def changeable(machines: Machines, user: User, account_id: str) -> ConnectedAccount:
    """The account, if the person may change it. Raises `NotFound`."""
    account = await seen_one(machines, user, account_id)
    if not sharing.may_change(account, user):
        raise NotFound(detail="the organisation's accounts are changed by administrators")
    return account


async def make_default(machines: Machines, user: User, account: ConnectedAccount) -> None:
    """From now on agents that name no account get this one. Raises `NotFound` when it went in this moment."""
    store = machines.store
    among = await store.connected_accounts.connected(account.user_id, account.connection)
    step = store.connected_accounts.choose(account, [account, *among])
    event = machines.event("vault.default_chosen", user=user.id, subject=account.id, connection=account.connection)
    await _commit(machines, step, event)


class Terms(msgspec.Struct, frozen=True):
    """Which agents may use an account, in the person's word. `lent`: agent -> also while the person is away."""

    limited: bool
    lent: dict[str, bool]


async def agree(machines: Machines, user: User, account: ConnectedAccount, terms: Terms) -> None:
    """Write the person's word, what it takes away before what it gives. For an account of the organisation only its
    administrators may limit it; what each person lends on is their own. Raises `NotFound`."""
    store = machines.store
    before = {each.client_id: each for each in await store.lendings.of_user(user.id) if each.account_id == account.id}
    for client_id in before.keys() - terms.lent.keys():
        await take_back(machines, user, account, client_id)
    if terms.limited != account.limited and sharing.may_change(account, user):
        step = store.connected_accounts.limit(account, limited=terms.limited)
        event = machines.event(
            "vault.limited", user=user.id, subject=account.id, connection=account.connection, limited=terms.limited
        )
        await _commit(machines, step, event)
    for client_id, away in terms.lent.items():
        if client_id not in before or before[client_id].away != away:
            await lend(machines, user, account, client_id, away=away)


async def _commit(machines: Machines, step: Step, event: Event) -> None:
    try:
        await machines.store.commit(step, events=(event,))
    except Lost as error:
        raise NotFound(detail="the account went in this moment") from error
