"""Setting up an authenticator app, and taking it away again.

Until the person has typed a code of it, the secret is in an errand of theirs and nowhere else: a half-finished attempt locks
nobody out.
"""

from __future__ import annotations

import secrets
from base64 import b32encode
from dataclasses import dataclass, field, replace

from remit_server.errors import Conflict, InvalidRequest, NotFound
from remit_server.identity import errands
from remit_server.identity.second_factor import Proven, by_code, refused
from remit_server.identity.sign_in import TooMany, Unrecognised
from remit_server.records import Actor, Event, Interaction, SecondFactor, User
from remit_server.rules import totp
from remit_server.runtime.clock import Clock
from remit_server.runtime.ids import new_id
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost
from remit_server.storage.store import Store
from remit_server.wire.http import Request
from remit_server.wire.visitor import Visitor

ALREADY = "An authenticator app is set up already. Remove it before you set up another."


@dataclass(frozen=True)
class Enrolment:
    record: Interaction
    secret: str = field(repr=False)


async def begin(machines: Machines, who: Visitor, user: User) -> str:
    """A new secret; what its enrolment is resumed by. 160 bits, as RFC 4226 section 4 wants."""
    secret = b32encode(secrets.token_bytes(20)).decode()
    return await errands.begin(machines, who, "enrol", {"user_id": user.id, "secret": secret})


async def find(machines: Machines, who: Visitor, user: User, resume: str) -> Enrolment:
    """The enrolment that this person began in this browser."""
    record = await errands.find(machines, who, resume)
    if record.kind != "enrol" or record.request["user_id"] != user.id:
        raise InvalidRequest("This link is for another page or another person.")
    return Enrolment(record, str(record.request["secret"]))


async def uri(machines: Machines, user: User, enrolment: Enrolment) -> str:
    """What the QR code says. It holds the secret."""
    organisation = await machines.store.organisation.get("organisation")
    issuer = organisation.name if organisation else "Remit"
    return totp.uri(enrolment.secret, issuer=issuer, account=user.email or user.id)


async def confirm(machines: Machines, user: User, enrolment: Enrolment, typed: str, request: Request) -> bool:
    """Keep the secret if the code is right; that code is spent. Raises `Conflict` when the person has an app already."""
    store, now = machines.store, machines.clock.now()
    step = totp.matching(enrolment.secret, typed, now)
    if step is None:
        return False
    factor = SecondFactor(user_id=user.id, secret=enrolment.secret, confirmed_at=now, last_step=step)
    event = machines.event("user.second_factor_added", user=user.id, subject=user.id, address=request.address)
    try:
        await store.commit(
            store.interactions.finish(enrolment.record.hash, now), store.second_factors.add(factor), events=(event,)
        )
    except Lost as error:
        raise Conflict(ALREADY) from error
    return True


async def remove(
    machines: Machines, factor: SecondFactor, typed: str, request: Request
) -> Proven | Unrecognised | TooMany:
    """Take the app away, if the code is right: who finds a browser open cannot."""
    outcome = await by_code(machines, factor, typed, request)
    if not isinstance(outcome, Proven):
        return outcome
    event = machines.event(
        "user.second_factor_removed", user=factor.user_id, subject=factor.user_id, address=request.address
    )
    try:
        await machines.store.commit(
            machines.store.second_factors.remove(factor.user_id, outcome.step), *outcome.counters, events=(event,)
        )
    except Lost:
        await refused(machines, factor, request)
        return Unrecognised()
    return outcome


async def forget(store: Store, clock: Clock, name: str, **by: str) -> None:
    """Take the app and every passkey away, unasked, for somebody who lost them; `name` is an e-mail address or a user id, `by`
    says who did it.

    Raises `NotFound` when there is no such person, `Conflict` when they have neither.
    """
    user = await store.users.by_email(name) or await store.users.get(name)
    if user is None:
        raise NotFound(f"There is no person {name}.")
    app, keys = await store.second_factors.get(user.id), await store.passkeys.of_user(user.id)
    gone = [("user.second_factor_removed", user.id)] if app else []
    gone += [("passkey.removed", each.id) for each in keys]
    if not gone:
        raise Conflict(f"{name} has no second factor.")
    now = clock.now()
    events = (Event(id=new_id(), at=now, kind=kind, actor=Actor(), subject=id_, about=dict(by)) for kind, id_ in gone)
    await store.commit(
        replace(store.second_factors.forget(user.id), may_miss=True),
        store.passkeys.forget(user.id),
        events=tuple(events),
    )
