"""A person's own secret code, without which agents that must bring it cannot ask them (CIBA Core 1.0 section 7.1, user_code)."""

from __future__ import annotations

from typing import Final

import msgspec

from remit_server.errors import InvalidRequest, NotFound
from remit_server.records import Actor, Event, User
from remit_server.runtime.clock import Clock
from remit_server.runtime.ids import new_id
from remit_server.runtime.passwords import Passwords
from remit_server.storage.store import Store

SHORTEST, LONGEST = 6, 64
AGENTS: Final = "what agents must bring to ask them"


async def choose(store: Store, clock: Clock, passwords: Passwords, person: str, code: str, *, by: str) -> None:
    """Keep `code` for a person, named by e-mail address or id, in the place of an earlier one.

    Raises `NotFound` when there is no such person, `InvalidRequest` when the code is too short or too long.
    """
    user = await store.users.by_email(person) or await store.users.get(person)
    if user is None:
        raise NotFound(f"There is no person {person}.")
    await keep(store, clock, passwords, user, code, by=by)


async def keep(store: Store, clock: Clock, passwords: Passwords, user: User, code: str, *, by: str) -> User:
    """The person with their new code. Raises `InvalidRequest` when it is too short or too long."""
    if not SHORTEST <= len(code) <= LONGEST:
        raise InvalidRequest(f"A code has {SHORTEST} to {LONGEST} characters.")
    now = clock.now()
    changed = msgspec.structs.replace(user, backchannel_user_code=await passwords.hash(code), updated_at=now)
    event = Event(
        id=new_id(), at=now, kind="user.changed", actor=Actor(), subject=user.id,
        about={"changed": AGENTS, "by": by},
    )  # fmt: skip
    await store.commit(store.users.put(changed), events=(event,))
    return changed
