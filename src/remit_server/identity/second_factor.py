"""The second step of signing in: a code of the person's authenticator app or a passkey, after something else said who they are.

Between the two steps there is no session, only an errand that says what was proven so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from remit_server.errors import InvalidRequest
from remit_server.identity import errands, passkeys
from remit_server.identity.sign_in import SignedIn, TooMany, Unrecognised, start_session
from remit_server.records import Event, Interaction, Passkey, SecondFactor, Session, User
from remit_server.rules import totp
from remit_server.rules.authorization import TWO_FACTORS
from remit_server.rules.passkeys import amr
from remit_server.runtime.attempts import Codes
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost, Step
from remit_server.storage.store import Store
from remit_server.wire.http import Request
from remit_server.wire.visitor import Visitor


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
    app: SecondFactor | None
    passkeys: Sequence[Passkey]


async def is_set_up(store: Store, user_id: str) -> bool:
    """Whether a password alone is not enough for this person."""
    return await store.second_factors.get(user_id) is not None or bool(await store.passkeys.of_user(user_id))


async def begin(machines: Machines, who: Visitor, first: FirstStep) -> str:
    """The page that asks for it."""
    resume = await errands.begin(machines, who, "second_factor", msgspec.to_builtins(first))
    return f"/login/second-factor?resume={resume}"


def of_session(session: Session, resume: str) -> FirstStep:
    """A session that is to become a stronger one. It was begun when it was begun: a second step makes no password fresher."""
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
    app = await machines.store.second_factors.get(first.user_id)
    have = await machines.store.passkeys.of_user(first.user_id)
    if user is None or user.state != "active" or user.password_changed_at > record.created_at or not (app or have):
        return first, None
    if first.sid is not None and (who.session is None or who.session.sid != first.sid):
        return first, None
    return first, Waiting(record, first, user, app, have)


@dataclass(frozen=True)
class Proven:
    """A right code. It is spent only when these steps are written, of which one loses if it was spent before."""

    step: int
    counters: tuple[Step, ...]
    """Begin the count of wrong codes anew."""


async def by_code(
    machines: Machines, factor: SecondFactor, typed: str, request: Request
) -> Proven | Unrecognised | TooMany:
    """Whether this is a code of now. That it was used before shows when it is spent, where nobody can be quicker."""
    tries = Codes(machines, factor.user_id)
    if wait := await tries.counted():
        return TooMany(wait)
    step = totp.matching(factor.secret, typed, machines.clock.now())
    if step is None:
        await refused(machines, factor, request)
        return Unrecognised()
    return Proven(step, tries.forgotten())


async def refused(machines: Machines, factor: SecondFactor, request: Request) -> None:
    event = machines.event("user.second_factor_refused", user=factor.user_id, address=request.address)
    await machines.store.commit(events=(event,))


async def finish_by_code(
    machines: Machines, waiting: Waiting, typed: str, who: Visitor, request: Request
) -> SignedIn | Unrecognised | TooMany:
    """The session, in one unit with spending the code and ending the errand: of two with one code, one gets in."""
    if waiting.app is None:
        return Unrecognised()
    outcome = await by_code(machines, waiting.app, typed, request)
    if not isinstance(outcome, Proven):
        return outcome
    spend = machines.store.second_factors.spend(waiting.user.id, outcome.step)
    proof = (spend, _end(machines, waiting), *outcome.counters)
    try:
        return await _finish(machines, waiting, who, request, shown=("otp", "mfa"), proof=proof)
    except Lost:
        await refused(machines, waiting.app, request)
        return Unrecognised()


def asking(machines: Machines, waiting: Waiting, who: Visitor) -> passkeys.Asking | None:
    """The passkey that would do; None where this server can have none."""
    return passkeys.asking(machines, who, "second_factor", waiting.record.hash)


async def finish_by_passkey(
    machines: Machines, waiting: Waiting, text: str, who: Visitor, request: Request
) -> SignedIn | Unrecognised:
    """The same by a passkey of the person whose sign-in it is."""
    ask = asking(machines, waiting, who)
    proven = await passkeys.by_passkey(ask, text, request, of=waiting.user) if ask else Unrecognised()
    if isinstance(proven, Unrecognised):
        return proven
    proof = (*proven.steps, _end(machines, waiting))
    try:
        return await _finish(
            machines, waiting, who, request, shown=amr(proven.passkey), proof=proof, events=(proven.used,)
        )
    except Lost:
        await passkeys.refused(machines, proven.passkey, request, "used before")
        return Unrecognised()


def _end(machines: Machines, waiting: Waiting) -> Step:
    return machines.store.interactions.finish(waiting.record.hash, machines.clock.now())


async def _finish(
    machines: Machines,
    waiting: Waiting,
    who: Visitor,
    request: Request,
    *,
    shown: tuple[str, ...],
    proof: Sequence[Step],
    events: Sequence[Event] = (),
) -> SignedIn:
    first = waiting.first
    return await start_session(
        machines, waiting.user, who, request, amr=tuple(dict.fromkeys((*first.amr, *shown))), acr=TWO_FACTORS,
        auth_time=first.auth_time, errand=first.errand, proof=proof, events=events,
    )  # fmt: skip
