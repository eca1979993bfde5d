"""Who is it that approves? For what is of high risk a session is not enough: a passkey signs what is approved, or a code is typed.

Nothing is stored while somebody is asked for a proof. The challenge follows from the request, its nonce and what is approved,
and the answer that it belongs to can be given once.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import Struct

from remit_server.approvals.ahead import Remember
from remit_server.errors import Conflict, ProofRequired, ProtocolError, TooManyRequests
from remit_server.records import Approval, Event, Passkey, SecondFactor, User
from remit_server.records.evidence import CodeShown, Evidence
from remit_server.rules import passkeys, proof, totp
from remit_server.rules.passkeys import Party, Refused
from remit_server.rules.proof import Way
from remit_server.runtime.attempts import Codes
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Step


class Shown(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person shows with their answer: what their passkey signed, or a code that they typed."""

    assertion: dict[str, Any] | str | None = None
    """PublicKeyCredential.toJSON(), as an object or as text."""
    code: str | None = None


class Means(Struct, frozen=True, kw_only=True):
    """What a person has to prove themselves with."""

    user: User
    party: Party | None
    passkeys: tuple[Passkey, ...]
    app: SecondFactor | None
    ways: tuple[Way, ...]


class Proven(Struct, frozen=True, kw_only=True):
    """A proof that holds, or none where none is asked for. It counts when its steps are written with the answer, of which one
    loses if it was used before."""

    evidence: Evidence | None = None
    passkey: Passkey | None = None
    steps: tuple[Step, ...] = ()
    events: tuple[Event, ...] = ()

    @property
    def about(self) -> dict[str, Any]:
        """What the event of the answer says of it."""
        if self.evidence is None:
            return {}
        return {"proof": "passkey" if self.passkey else "code", "evidence": proof.fingerprint(self.evidence)}

    @property
    def amr(self) -> tuple[str, ...]:
        """RFC 8176: by what the person was proven, beside their session. Each is two factors; none where there was no proof."""
        if self.evidence is None:
            return ()
        return passkeys.amr(self.passkey) if self.passkey else ("otp", "mfa")


async def means(machines: Machines, user: User) -> Means:
    """What this person can prove themselves with on this server."""
    store, settings = machines.store, machines.settings
    party = passkeys.party_of(settings.issuer)
    have, app = tuple(await store.passkeys.of_user(user.id)), await store.second_factors.get(user.id)
    return Means(
        user=user, party=party, passkeys=have, app=app, ways=proof.ways(settings.high_risk_proof, party, have, app)
    )


class Approving(Struct, frozen=True, kw_only=True):
    """What is being approved: so much of a request, and what is allowed ahead with it."""

    approval: Approval
    digest: str
    """Names the details, edits included."""
    remember: Remember | None = None

    @property
    def signed(self) -> dict[str, Any]:
        """The parts of the challenge."""
        remember = None if self.remember is None else msgspec.to_builtins(self.remember)
        return {
            "approval": self.approval.id, "digest": self.digest, "nonce": self.approval.nonce, "remember": remember
        }  # fmt: skip


def options(act: Approving, has: Means) -> dict[str, Any] | None:
    """What the browser is to ask the person's passkeys for; None where they have none."""
    if "passkey" not in has.ways or has.party is None:
        return None
    return passkeys.request(has.party, proof.challenge(**act.signed), have=has.passkeys)


async def demand(machines: Machines, act: Approving, user: User, *, shown: Shown | None) -> Proven:
    """The proof that approving this takes. A passkey's signature is also taken where none is asked for.

    Raises `ProofRequired`, which names the ways that would do, and `TooManyRequests`.
    """
    shown = shown or Shown()
    if act.approval.risk == "low" and not shown.assertion:
        return Proven()
    has = await means(machines, user)
    if shown.assertion and has.party:
        return await _by_passkey(machines, act, has, shown.assertion)
    if shown.code and has.app and "code" in has.ways:
        return await _by_code(machines, act, has.app, shown.code)
    raise _needed(machines, has)


async def _by_passkey(machines: Machines, act: Approving, has: Means, assertion: dict[str, Any] | str) -> Proven:
    machines.throttle.check(f"proof|{has.user.id}", per_minute=30, burst=60)
    read, party = passkeys.read(assertion if isinstance(assertion, str) else json.dumps(assertion)), has.party
    passkey = await machines.store.passkeys.get(read.id) if read else None
    if read is None or passkey is None or party is None:
        raise _needed(machines, has, "No passkey that is known here has signed this.")
    if passkey.user_id != has.user.id:
        raise await _refused(machines, has, passkey, "person")
    judged = passkeys.asserted(party, read, proof.challenge(**act.signed), passkey)
    if isinstance(judged, Refused):
        raise await _refused(machines, has, passkey, judged.why)
    return Proven(
        evidence=proof.kept(party, read, passkey, **act.signed),
        passkey=passkey,
        steps=(
            machines.store.passkeys.use(passkey.id, judged.count, backed_up=judged.backed_up, now=machines.clock.now()),
        ),
        events=(_passkey_event(machines, "passkey.used", passkey, approval=act.approval.id),),
    )


async def _by_code(machines: Machines, act: Approving, app: SecondFactor, typed: str) -> Proven:
    tries = Codes(machines, app.user_id)
    if wait := await tries.counted():
        raise TooManyRequests("Too many codes were tried. Wait, then try again.", headers={"Retry-After": str(wait)})
    step = totp.matching(app.secret, typed, machines.clock.now())
    if step is None:
        await _tell(machines, _code_refused(machines, app.user_id))
        raise ProofRequired(
            "That code is not right. Wait for the next one, and check your device's clock.", members={"ways": ["code"]}
        )
    return Proven(
        evidence=CodeShown(approval=act.approval.id, digest=act.digest, step=step),
        steps=(machines.store.second_factors.spend(app.user_id, step), *tries.forgotten()),
    )


async def used_up(machines: Machines, user: User, proven: Proven) -> ProtocolError:
    """When a step of the proof has lost: it was used before, or the passkey or the app is gone in this moment."""
    if proven.passkey:
        event = _passkey_event(machines, "passkey.refused", proven.passkey, why="used before")
    else:
        event = _code_refused(machines, user.id)
    await _tell(machines, event)
    return Conflict("This proof has been used before. Prove once more who you are.")


def _needed(machines: Machines, has: Means, why: str = "") -> ProofRequired:
    """What the person is told, and where they find what they lack."""
    if "passkey" in has.ways:
        text, set_up = "Approving this takes your passkey.", None
    elif "code" in has.ways:
        text, set_up = "Approving this takes a code of your authenticator app.", None
    else:
        text, set_up = lacking(machines, has)
    members: dict[str, Any] = {"ways": list(has.ways)} | ({"set_up": machines.settings.url(set_up)} if set_up else {})
    return ProofRequired(f"{why} {text} Nothing is decided yet.".strip(), members=members)


def lacking(machines: Machines, has: Means) -> tuple[str, str | None]:
    """Why somebody without a way to prove themselves cannot approve, and the page of ours where they get one, if they can."""
    if has.party:
        return "Approving this takes a passkey, and you have none. Add one, then answer.", "/security/passkeys"
    if machines.settings.high_risk_proof == "passkey_or_code" and not has.passkeys:
        return "Approving this takes an authenticator app. Set one up, then answer.", "/security"
    return "Approving this takes a passkey, and this server has no host name to which passkeys could be bound.", None


async def _refused(machines: Machines, has: Means, passkey: Passkey, why: str) -> ProofRequired:
    await _tell(machines, _passkey_event(machines, "passkey.refused", passkey, why=why))
    return _needed(machines, has, "What your passkey signed does not prove that you approve this.")


async def _tell(machines: Machines, event: Event) -> None:
    await machines.store.commit(events=(event,))


def _passkey_event(machines: Machines, kind: str, passkey: Passkey, **about: Any) -> Event:
    return machines.event(kind, user=passkey.user_id, subject=passkey.id, name=passkey.name, **about)


def _code_refused(machines: Machines, user_id: str) -> Event:
    return machines.event("user.second_factor_refused", user=user_id)
