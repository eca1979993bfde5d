"""The first administrator: made through a link that works once, for half an hour, and never again once there is one who can
sign in. A configuration may name administrators without giving them a way in; nobody is locked out by that."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from remit_server.errors import Conflict, NotFound
from remit_server.records import Interaction, User
from remit_server.runtime.clock import Clock
from remit_server.runtime.ids import hashed, new_id, new_secret
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost
from remit_server.storage.store import Store

FIRST: Final = "first administrator"
"""The secret of this name holds the id of whoever was first to have a way in. It is written once, in the unit that gives it
to them."""
LINK_SECONDS: Final = 1800
SHORTEST_PASSWORD: Final = 12


async def can_sign_in(store: Store, user: User) -> bool:
    """Whether a person has a way in: a password, another provider that vouches for them, or a passkey."""
    if user.state != "active":
        return False
    return bool(user.password or user.upstream or await store.passkeys.of_user(user.id))


async def offer(store: Store, clock: Clock) -> str | None:
    """The ticket of a new link, or None when there has been an administrator who could sign in. Only its hash is kept."""
    if await store.secrets.get(FIRST) is not None:
        return None
    now, ticket = clock.now(), new_secret()
    errand = Interaction(hash=hashed(ticket), kind="set_up", created_at=now, expires_at=now + LINK_SECONDS)
    await store.commit(store.interactions.add(errand))
    return ticket


async def holds(machines: Machines, ticket: str) -> bool:
    """Whether a link still works."""
    errand = await machines.store.interactions.get(hashed(ticket))
    return (
        errand is not None
        and errand.kind == "set_up"
        and errand.done_at is None
        and errand.expires_at > machines.clock.now()
        and await machines.store.secrets.get(FIRST) is None
    )


async def create(machines: Machines, ticket: str, *, name: str, email: str, password: str, address: str) -> User:
    """The first administrator: an administrator of the configuration who has this address and no way in, else a new one.
    Raises `NotFound` when the link no longer works or somebody else was first, `Conflict` when the address is another's."""
    if not await holds(machines, ticket):
        raise NotFound
    store, now = machines.store, machines.clock.now()
    there = await store.users.by_email(email)
    if there and (not there.administrator or there.state != "active" or await can_sign_in(store, there)):
        raise Conflict("Somebody has this e-mail address already.")
    user = replace(
        there
        or User(
            id=f"remit|{new_id()}", email=email, email_verified=True, name=name, administrator=True, created_at=now
        ),
        password=await machines.passwords.hash(password), password_changed_at=now, updated_at=now,
    )  # fmt: skip
    event = machines.event("administrator.created", user=user.id, subject=user.id, address=address)
    try:
        await store.commit(
            store.interactions.finish(hashed(ticket), now),
            # Of two people with two links, one is first. What comes after this step must not lose any more.
            store.secrets.add(FIRST, user.id.encode()),
            store.users.put(user),
            events=(event,),
        )
    except Lost as error:
        raise NotFound from error
    return user
