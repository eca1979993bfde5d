"""The person answers: one compare-and-set, and in the same unit all that the answer brings with it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from remit_server.approvals import standing
from remit_server.approvals.agreement import agreed
from remit_server.approvals.ahead import Remember, allowing, given
from remit_server.approvals.ask import wakes
from remit_server.approvals.proof import Approving, Proven, Shown, demand, used_up
from remit_server.errors import Conflict
from remit_server.records import Approval, Event, Session, User
from remit_server.rules import answering, editing, thread
from remit_server.rules.authorization import TWO_FACTORS
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost, Step, Unit
from remit_server.wire.details import known_types


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the person says, about which version of which details."""

    outcome: Literal["approved", "denied", "asked"]
    version: int
    digest: str
    details: tuple[dict[str, Any], ...] | None = None
    """approved: in place of what was asked, where the person approves less."""
    remember: Remember | None = None
    """approved: and from now on, within these bounds, without asking."""
    proof: Shown | None = None
    """approved: who says so."""
    reason: str | None = None
    """denied: in their words, for the agent."""
    block: bool = False
    """denied: and this agent may not ask any more."""
    report: bool = False
    """denied: and the company is to look at it."""
    stop: bool = False
    """denied: and all that this agent has of theirs ends."""
    text: str | None = None
    """asked: what they want to know first."""


class Authentication(msgspec.Struct, frozen=True, kw_only=True):
    """How the person who answers was proven."""

    auth_time: int | None = None
    amr: tuple[str, ...] = ()
    acr: str | None = None

    @classmethod
    def of(cls, session: Session) -> Authentication:
        return cls(auth_time=session.auth_time, amr=session.amr, acr=session.acr)


async def answer(machines: Machines, approval: Approval, user: User, said: Answer, proof: Authentication) -> Approval:
    """The approval as answered. Raises `Conflict` when it is no longer open or not what the person saw, `InvalidDetails` for an
    edit and `InvalidRequest` for an answer that may not be given, `AccessDenied` when the organisation refuses what the person
    allows, `ProofRequired` when a session is not enough to approve this."""
    answering.addressed(approval, user)
    answering.judge(approval, version=said.version, digest=said.digest, now=machines.clock.now())
    beside = msgspec.structs.asdict(said)
    answering.fits(said.outcome, {name: value for name, value in beside.items() if name not in _WHICH})
    proven = Proven()
    match said.outcome:
        case "approved":
            unit, proven = await _approved(machines, approval, user, said, proof)
        case "denied":
            unit = await _denied(machines, approval, user, said, proof)
        case "asked":
            unit = _asked(machines, approval, user, said)
    try:
        await machines.store.commit(*unit.steps, events=tuple(unit.events), wakes=(*wakes(approval), *unit.wakes))
    except Lost as error:
        if error.step < len(proven.steps):
            raise await used_up(machines, user, proven) from error
        raise Conflict("This request was answered in this moment, elsewhere.") from error
    answered = await machines.store.approvals.get(approval.id)
    assert answered is not None, "it was just answered"
    return answered


_WHICH = frozenset({"outcome", "version", "digest"})


async def _approved(
    machines: Machines, approval: Approval, user: User, said: Answer, proof: Authentication
) -> tuple[Unit, Proven]:  # fmt: skip
    store, types = machines.store, await known_types(machines)
    details, digest = approval.details, approval.digest
    changes: tuple[str, ...] = ()
    if said.details is not None:
        edited = editing.judge(approval.details, said.details, types)
        details, digest, changes = edited.details, edited.digest, edited.changes
    client = await store.clients.get(approval.client_id)
    grant = await agreed(machines, client, approval, user, details)
    approved = replace(approval, approved=details, approved_digest=digest, changes=changes)
    allowance = await allowing(machines, approval, said.remember) if said.remember else None
    proven = await demand(
        machines, Approving(approval=approval, digest=digest, remember=said.remember), user, shown=said.proof
    )
    amr = (*proof.amr, *(each for each in proven.amr if each not in proof.amr))
    grant = replace(grant, auth_time=proof.auth_time, amr=amr, acr=TWO_FACTORS if proven.evidence else proof.acr)
    approved = replace(approved, evidence=proven.evidence, allowance_given=allowance.id if allowance else None)
    further: list[Step] = []
    events: list[Event] = []
    if allowance is not None:
        step, event = given(machines, approval, replace(allowance, proven=proven.evidence is not None))
        further, events = [step], [event]
    about = proven.about | ({"asked": approval.digest, "changes": list(changes)} if changes else {})
    told = machines.event(
        "approval.approved", user=user.id, client=approval.client_id, subject=approval.id, digest=digest,
        grant=grant.id, amr=list(amr), **about,
    )  # fmt: skip
    deciding = store.approvals.decide(approved, "approved", user.id, machines.clock.now(), grant_id=grant.id)
    # What proves it first: if that was used before, nothing is decided.
    unit = Unit([*proven.steps, deciding, store.grants.add(grant), *further], [*proven.events, told, *events])
    return unit, proven


async def _denied(
    machines: Machines, approval: Approval, user: User, said: Answer, proof: Authentication
) -> Unit:  # fmt: skip
    deciding = machines.store.approvals.decide(approval, "denied", user.id, machines.clock.now(), reason=said.reason)
    told = machines.event(
        "approval.denied", user=user.id, client=approval.client_id, subject=approval.id, digest=approval.digest,
        reason=said.reason, amr=list(proof.amr),
    )  # fmt: skip
    further: list[Unit] = []
    if said.block:
        further.append(standing.blocking(machines, user, approval.client_id))
    if said.report:
        further.append(
            standing.reporting(machines, user, approval.client_id, reason=said.reason, approval=approval.id)
        )  # fmt: skip
    if said.stop:
        further.append(await standing.stopping(machines, user, approval.client_id))
    return Unit(
        [deciding, *(step for unit in further for step in unit.steps)],
        [told, *(event for unit in further for event in unit.events)],
        [topic for unit in further for topic in unit.wakes],
    )


def _asked(machines: Machines, approval: Approval, user: User, said: Answer) -> Unit:
    now = machines.clock.now()
    asked = thread.asked(approval, said.text, now)
    told = machines.event(
        "approval.question", user=user.id, client=approval.client_id, subject=approval.id, text=asked.thread[-1].text
    )
    return Unit([machines.store.approvals.question(asked, user.id, now)], [told])


async def claim(machines: Machines, approval: Approval, user: User) -> Approval:
    """Device flow: the signed-in person who entered the code becomes the one who is asked. Raises `Conflict`."""
    store = machines.store
    try:
        await store.commit(store.approvals.claim(approval, user.id, machines.clock.now()))
    except Lost as error:
        raise Conflict("Somebody else entered this code, or it has expired.") from error
    claimed = await store.approvals.get(approval.id)
    assert claimed is not None, "it was just claimed"
    return claimed
