"""Passkeys of a person: adding one, signing in with one, taking one away.

A challenge is not stored. It carries its own end and a keyed hash that ties it to one browser and one purpose, so a page
that shows one costs nothing; it is burned in the unit that an answer to it is written in, so it counts once.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from remit_server.errors import Conflict, InvalidRequest, NotFound
from remit_server.identity.sign_in import SignedIn, Unrecognised, start_session
from remit_server.records import Event, Passkey, User
from remit_server.rules import passkeys
from remit_server.rules.authorization import TWO_FACTORS
from remit_server.rules.passkeys import Party, Refused
from remit_server.rules.proof import key_fingerprint
from remit_server.runtime.ids import hashed, new_id
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost, Step
from remit_server.wire.http import Request
from remit_server.wire.visitor import Visitor

Purpose = Literal["add", "sign_in", "second_factor"]
TOO_MANY: Final = f"You have {passkeys.MOST} passkeys. Remove one that you no longer use, then add the new one."
TURN: Final = 10
"""Seconds at most in which one passkey is removed."""
BAD_NAME: Final = f"A name has 1 to {passkeys.LONGEST_NAME} characters, all of which can be seen."
_NONCE, _END = 16, 8  # bytes


@dataclass(frozen=True)
class Asking:
    """A browser that is asked for a passkey: the same when it is asked and when it answers."""

    machines: Machines
    party: Party
    who: Visitor
    purpose: Purpose
    bound: str = ""
    """What else the answer is for: the session, the errand."""

    def challenge(self) -> bytes:
        """A new one."""
        machines = self.machines
        end = machines.clock.now() + machines.settings.interaction_lifetime
        fresh = secrets.token_bytes(_NONCE) + end.to_bytes(_END, "big")
        return fresh + self._mac(fresh)

    def is_ours(self, challenge: bytes) -> bool:
        """Whether it was made here for this browser and this purpose, and its time is not up."""
        fresh, mac = challenge[: _NONCE + _END], challenge[_NONCE + _END :]
        return hmac.compare_digest(mac, self._mac(fresh)) and _end(challenge) > self.machines.clock.now()

    def burn(self, challenge: bytes) -> Step:
        """Loses when it was answered before."""
        return self.machines.store.once.burn(hashed(challenge.hex()), _end(challenge))

    def _mac(self, fresh: bytes) -> bytes:
        value = f"{self.purpose}|{self.who.browser_hash}|{self.bound}|{fresh.hex()}"
        return bytes.fromhex(self.machines.peppers.mac("passkey challenge", value))


def _end(challenge: bytes) -> int:
    return int.from_bytes(challenge[_NONCE : _NONCE + _END], "big")


def asking(machines: Machines, who: Visitor, purpose: Purpose, bound: str = "") -> Asking | None:
    """None where this server can have no passkeys."""
    party = passkeys.party_of(machines.settings.issuer)
    return Asking(machines, party, who, purpose, bound) if party else None


def request_for(ask: Asking | None, have: Sequence[Passkey] | None = None) -> dict[str, Any] | None:
    """Options to use a passkey: one of those that somebody has, or any; None where there is none to use."""
    if ask is None or (have is not None and not have):
        return None
    return passkeys.request(ask.party, ask.challenge(), have=have or ())


def handle_of(machines: Machines, user_id: str) -> bytes:
    """What authenticators keep as the person's id: always the same, and nothing about them (section 14.6.1)."""
    return bytes.fromhex(machines.peppers.mac("passkey user handle", user_id))


async def creation_for(ask: Asking, user: User) -> dict[str, Any]:
    """Options to add a passkey."""
    store = ask.machines.store
    organisation = await store.organisation.get("organisation")
    return passkeys.creation(
        ask.party, ask.challenge(), organisation=organisation.name if organisation else "Remit",
        handle=handle_of(ask.machines, user.id), account=user.email or user.id, called=user.name or user.email or user.id,
        have=await store.passkeys.of_user(user.id),
    )  # fmt: skip


async def add(ask: Asking, user: User, name: str, text: str, request: Request) -> Passkey | None:
    """Keep the passkey that the browser has made; None when its answer does not hold.

    Raises `InvalidRequest` for a name that is none, `Conflict` when the passkey is known or there are too many.
    """
    machines, store = ask.machines, ask.machines.store
    kept = passkeys.name_of(name)
    if kept is None:
        raise InvalidRequest(BAD_NAME)
    if len(await store.passkeys.of_user(user.id)) >= passkeys.MOST:
        raise Conflict(TOO_MANY)
    answer = passkeys.read(text)
    if answer is None or not ask.is_ours(answer.challenge):
        return None
    passkey = passkeys.registered(
        ask.party, answer, answer.challenge, user_id=user.id, name=kept, handle=handle_of(machines, user.id),
        now=machines.clock.now(),
    )  # fmt: skip
    if passkey is None:
        return None
    event = machines.event(
        "passkey.added", user=user.id, subject=passkey.id, address=request.address, name=kept,
        key=key_fingerprint(passkey.public_key),
    )  # fmt: skip
    try:
        await store.commit(ask.burn(answer.challenge), store.passkeys.add(passkey), events=(event,))
    except Lost as error:
        raise Conflict("This passkey is added already.") from error
    return passkey


@dataclass(frozen=True)
class Proven:
    """Somebody's passkey. It counts only when these steps are written, of which one loses if it was used before."""

    user: User
    passkey: Passkey
    steps: tuple[Step, ...]
    used: Event


async def by_passkey(ask: Asking, text: str, request: Request, *, of: User | None = None) -> Proven | Unrecognised:
    """Whose passkey answers this browser's challenge; with `of`, only that person's will do.

    Nothing can be guessed here, but each refusal is a line in the trail. Raises `TooManyRequests`.
    """
    machines, store = ask.machines, ask.machines.store
    machines.throttle.check(f"passkey|{request.network}", per_minute=30, burst=60)
    answer = passkeys.read(text)
    passkey = await store.passkeys.get(answer.id) if answer else None
    if answer is None or passkey is None or not ask.is_ours(answer.challenge):
        event = machines.event(
            "user.sign_in_failed", user=of.id if of else None, address=request.address, method="passkey"
        )
        await store.commit(events=(event,))
        return Unrecognised()
    user = await store.users.get(passkey.user_id)
    if user is None or user.state != "active" or (of and of.id != user.id):
        await refused(machines, passkey, request, "person")
        return Unrecognised()
    judged = passkeys.asserted(ask.party, answer, answer.challenge, passkey, unasked=of is None)
    if isinstance(judged, Refused):
        await refused(machines, passkey, request, judged.why)
        return Unrecognised()
    steps = (
        ask.burn(answer.challenge),
        store.passkeys.use(passkey.id, judged.count, backed_up=judged.backed_up, now=machines.clock.now()),
    )
    used = machines.event("passkey.used", user=user.id, subject=passkey.id, address=request.address, name=passkey.name)
    return Proven(user, passkey, steps, used)


async def refused(machines: Machines, passkey: Passkey, request: Request, why: str) -> None:
    """For the trail; the person at the browser is told no more than that it did not work."""
    event = machines.event(
        "passkey.refused", user=passkey.user_id, subject=passkey.id, address=request.address, name=passkey.name, why=why
    )
    await machines.store.commit(events=(event,))


async def sign_in(ask: Asking, text: str, request: Request, *, errand: str | None) -> SignedIn | Unrecognised:
    """The session of whoever holds the passkey: it is both factors at once."""
    proven = await by_passkey(ask, text, request)
    if isinstance(proven, Unrecognised):
        return proven
    try:
        return await start_session(
            ask.machines, proven.user, ask.who, request, amr=passkeys.amr(proven.passkey), acr=TWO_FACTORS, errand=errand,
            proof=proven.steps, events=(proven.used,),
        )  # fmt: skip
    except Lost:
        await refused(ask.machines, proven.passkey, request, "used before")
        return Unrecognised()


async def rename(machines: Machines, user: User, id_: str, name: str) -> None:
    """Raises `NotFound` when this person has no such passkey, `InvalidRequest` for a name that is none."""
    kept = passkeys.name_of(name)
    if kept is None:
        raise InvalidRequest(BAD_NAME)
    try:
        await machines.store.commit(machines.store.passkeys.rename(id_, user.id, kept))
    except Lost as error:
        raise NotFound(detail="no such passkey of this person") from error


async def remove(machines: Machines, user: User, id_: str, *, client: str | None = None, address: str = "") -> Passkey:
    """Take one away; `client` is the app that carried the person's wish.

    Raises `NotFound` when this person has no such passkey, and `Conflict` when nothing else lets them in.
    """
    # One at a time: of somebody's last two passkeys, each could be removed for the sake of the other.
    leases, name, turn = machines.store.leases, f"passkeys {user.id}", new_id()
    if not await leases.take(name, turn, machines.clock.now(), TURN):
        raise Conflict("Another passkey is being removed in this moment. Try again.")
    try:
        return await _remove(machines, user, id_, client=client, address=address)
    finally:
        await leases.leave(name, turn)


async def _remove(machines: Machines, user: User, id_: str, *, client: str | None, address: str) -> Passkey:
    store = machines.store
    have = {each.id: each for each in await store.passkeys.of_user(user.id)}
    passkey = have.get(id_)
    if passkey is None:
        raise NotFound(detail="no such passkey of this person")
    if len(have) == 1 and user.password is None and user.upstream is None:
        raise Conflict("This passkey is your only way in. Add another, then remove this one.")
    event = machines.event(
        "passkey.removed", user=user.id, client=client, subject=id_, address=address or None, name=passkey.name
    )
    try:
        await store.commit(store.passkeys.remove(id_, user.id), events=(event,))
    except Lost as error:
        raise NotFound(detail="it was removed meanwhile") from error
    return passkey
