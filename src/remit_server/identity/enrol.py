"""Setting up an authenticator app, and taking it away again.

Until the person has typed a code of it, the secret is in an errand of theirs and nowhere else: a half-finished attempt locks
nobody out.
"""

from __future__ import annotations

import secrets
from base64 import b32encode
from dataclasses import dataclass, field

from remit_server.errors import Conflict, InvalidRequest
from remit_server.identity import errands
from remit_server.identity.second_factor import Proven, by_code, refused
from remit_server.identity.sign_in import TooMany, Unrecognised
from remit_server.records import Interaction, SecondFactor, User
from remit_server.rules import totp
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost
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
