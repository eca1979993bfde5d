"""The second step of signing in: a code of the person's authenticator app, after something else said who they are.

Between the two steps there is no session, only an errand that says what was proven so far.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import Struct

from remit_server.errors import InvalidRequest
from remit_server.identity import errands
from remit_server.identity.sign_in import Limits, SignedIn, TooMany, Unrecognised, counted, start_session
from remit_server.records import Interaction, SecondFactor, Session, User
from remit_server.rules import totp
from remit_server.rules.authorization import TWO_FACTORS
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost, Step
from remit_server.wire.http import Request
from remit_server.wire.visitor import Visitor

DAY: Final = 86_400


class FirstStep(Struct, frozen=True, kw_only=True):
    """What was proven so far, as the errand keeps it. It opens nothing by itself."""

    user_id: str
    amr: tuple[str, ...]
    auth_time: int | None = None
    """When, if it was not just now."""
    sid: str | None = None
    """The session that is to become a stronger one; without it the step counts for nothing."""
    errand: str | None = None
    """Hash of the errand that the person signed in for."""
    resume: str = ""
    """What they go on with afterwards; empty for nothing."""


@dataclass(frozen=True)
class Waiting:
    """A sign-in that lacks its second step."""

    record: Interaction
    first: FirstStep
    user: User
    factor: SecondFactor


async def begin(machines: Machines, who: Visitor, first: FirstStep) -> str:
    """The page that asks for the code."""
    resume = await errands.begin(machines, who, "second_factor", msgspec.to_builtins(first))
    return f"/login/second-factor?resume={resume}"


def of_session(session: Session, resume: str) -> FirstStep:
    """A session that is to become a stronger one. It was begun when it was begun: a code makes no password fresher."""
    return FirstStep(
        user_id=session.user_id, amr=session.amr, auth_time=session.auth_time, sid=session.sid, errand=session.errand,
        resume=resume,
    )  # fmt: skip


async def find(machines: Machines, who: Visitor, resume: str) -> tuple[FirstStep, Waiting | None]:
    """What this browser has proven, and what it lacks; None when the person must begin anew, as something has changed since."""
    record = await errands.find(machines, who, resume)
    if record.kind != "second_factor":
        raise InvalidRequest("This link is for another page.")
    first = msgspec.convert(record.request, FirstStep)
    user = await machines.store.users.get(first.user_id)
    factor = await machines.store.second_factors.get(first.user_id)
    if user is None or user.state != "active" or factor is None or user.password_changed_at > record.created_at:
        return first, None
    if first.sid is not None and (who.session is None or who.session.sid != first.sid):
        return first, None
    return first, Waiting(record, first, user, factor)


@dataclass(frozen=True)
class Proven:
    """A right code. It is spent only when these steps are written, of which one loses if it was spent before."""

    step: int
    counters: tuple[Step, ...]
    """Begin the count of wrong codes anew."""


async def by_code(
    machines: Machines, factor: SecondFactor, typed: str, request: Request
) -> Proven | Unrecognised | TooMany:
    """Whether this is a code of now. That it was used before shows when it is spent, where nobody can be quicker.

    Three codes of a million are right at a time, so tries are counted for the account alone, wherever they come from, and
    over a day: at the default of ten in a quarter of an hour and thirty in a day, who knows the password and guesses every
    day of a year gets in with a chance of one in thirty, and leaves ten thousand lines in the trail (RFC 4226 section 7.3).
    """
    store, now = machines.store, machines.clock.now()
    key, most = f"second factor|{factor.user_id}", machines.settings.login_attempts
    limits: Limits = ((900, most), (DAY, 3 * most))
    if wait := await counted(machines, key, limits, now):
        return TooMany(wait)
    step = totp.matching(factor.secret, typed, now)
    if step is None:
        await refused(machines, factor, request)
        return Unrecognised()
    return Proven(step, tuple(store.once.forget(f"{key}|{seconds}") for seconds, _ in limits))


async def refused(machines: Machines, factor: SecondFactor, request: Request) -> None:
    event = machines.event("user.second_factor_refused", user=factor.user_id, address=request.address)
    await machines.store.commit(events=(event,))


async def finish(
    machines: Machines, waiting: Waiting, proven: Proven, who: Visitor, request: Request
) -> SignedIn | Unrecognised:
    """The session, in one unit with spending the code and ending the errand: of two with one code, one gets in."""
    store, first = machines.store, waiting.first
    proof = (
        store.second_factors.spend(waiting.user.id, proven.step),
        store.interactions.finish(waiting.record.hash, machines.clock.now()),
        *proven.counters,
    )
    try:
        return await start_session(
            machines, waiting.user, who, request, amr=tuple(dict.fromkeys((*first.amr, "otp", "mfa"))), acr=TWO_FACTORS,
            auth_time=first.auth_time, errand=first.errand, proof=proof,
        )  # fmt: skip
    except Lost:
        await refused(machines, waiting.factor, request)
        return Unrecognised()
