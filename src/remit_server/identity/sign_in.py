"""Signing in: who is it, and how do we know? A new session each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from remit_server.records import Event, Session, User
from remit_server.rules.authorization import ONE_FACTOR
from remit_server.runtime.attempts import counted
from remit_server.runtime.ids import hashed, new_id, new_secret
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Step
from remit_server.wire.http import Request, cookie
from remit_server.wire.visitor import Visitor, csrf_for, session_cookie

WINDOWS = ((60, 2), (900, 1))
"""(seconds, divisor): half of the attempts at once, all of them within a quarter of an hour; then a pause that ends by itself."""
WIDER = 10
"""Times as many for one account from everywhere, and for one network at every account."""


@dataclass(frozen=True)
class Recognised:
    """Somebody who gave the right password."""

    user: User


@dataclass(frozen=True)
class Unrecognised:
    """Wrong: the account, the password, or the person may not sign in. Which of these, nobody is told."""


@dataclass(frozen=True)
class TooMany:
    """No password was looked at."""

    seconds: int
    """Until the next try."""


Outcome = Recognised | Unrecognised | TooMany


async def by_password(machines: Machines, identifier: str, password: str, request: Request) -> Outcome:
    """Whether this is somebody. A person who does not exist takes as long as one who does."""
    store, now = machines.store, machines.clock.now()
    name = identifier.strip().lower()
    pair = f"sign-in|{hashed(name)}|{request.network}"
    limits = tuple((seconds, max(1, machines.settings.login_attempts // divisor)) for seconds, divisor in WINDOWS)
    wait = await counted(machines, pair, limits, now)
    wide = (f"sign-in|{hashed(name)}", f"sign-in|{request.network}")
    for key in wide:
        if await store.once.attempts(key, now) >= machines.settings.login_attempts * WIDER:
            wait = max(wait, WINDOWS[-1][0])
    if wait:
        return TooMany(wait)
    user = await store.users.by_email(name) or await store.users.get(identifier.strip())
    right = await machines.passwords.verify(user.password if user else None, password)
    if user is None or not right or user.state != "active":
        failed = [step for key in wide for step in store.once.attempt(key, now, WINDOWS[-1][0])]
        # What was typed is not kept: people type passwords into the wrong field.
        event = machines.event(
            "user.sign_in_failed", user=user.id if user else None, address=request.address, method="password"
        )
        await store.commit(*failed, events=(event,))
        return Unrecognised()
    await store.commit(*(store.once.forget(f"{pair}|{seconds}") for seconds, _ in WINDOWS))
    return Recognised(user)


@dataclass(frozen=True)
class SignedIn:
    """A fresh session, the visitor as they are from now on, and the cookie that says so."""

    who: Visitor
    cookie: tuple[str, str]


async def start_session(
    machines: Machines,
    user: User,
    who: Visitor,
    request: Request,
    *,
    amr: tuple[str, ...],
    acr: str = ONE_FACTOR,
    auth_time: int | None = None,
    errand: str | None = None,
    proof: Sequence[Step] = (),
    events: Sequence[Event] = (),
) -> SignedIn:
    """Begin a session for a person who has just proven who they are; the browser's old one ends.

    `errand` is the hash of the errand that they signed in for. `proof` is what the proof uses up, such as a code that works
    once: when one of these steps loses, `Lost` is raised, nothing begins and nothing ends. `events` tell of it.
    """
    store, settings, now = machines.store, machines.settings, machines.clock.now()
    value = new_secret()
    old = who.session if who.session and who.session.user_id == user.id else None
    session = Session(
        hash=hashed(value), sid=new_id(), user_id=user.id, auth_time=now if auth_time is None else min(now, auth_time),
        amr=amr, acr=acr, created_at=now, expires_at=now + settings.session_lifetime,
        errand=errand, before=(old.sid, *old.before)[:20] if old else (),
        agent=(request.header("user-agent") or "")[:200], address=request.address,
    )  # fmt: skip
    event = machines.event("user.signed_in", user=user.id, subject=session.sid, address=request.address, amr=list(amr))
    # It may have ended in this moment by itself.
    ends = [replace(store.sessions.end(who.session.sid, now), may_miss=True)] if who.session else []
    await store.commit(*proof, *ends, store.sessions.add(session), events=(*events, event))
    known = replace(who, session=session, user=user, csrf=csrf_for(machines, value))
    return SignedIn(known, cookie(session_cookie(settings), value, secure=settings.secure))
