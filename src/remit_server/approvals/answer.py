"""The person answers: one compare-and-set, with the agreement that an approval makes."""

from __future__ import annotations

from typing import Literal

import msgspec

from remit_server.approvals.ask import wakes
from remit_server.errors import AccessDenied, Conflict
from remit_server.records import Approval, Grant, Session, User
from remit_server.rules import answering
from remit_server.runtime.ids import new_id
from remit_server.runtime.machines import Machines
from remit_server.runtime.ports import Act, Permit
from remit_server.storage.contract import Lost, Step


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the person says, about which version of which details."""

    outcome: Literal["approved", "denied"]
    version: int
    digest: str
    reason: str | None = None


class Authentication(msgspec.Struct, frozen=True, kw_only=True):
    """How the person who answers was proven."""

    auth_time: int | None = None
    amr: tuple[str, ...] = ()
    acr: str | None = None

    @classmethod
    def of(cls, session: Session) -> Authentication:
        return cls(auth_time=session.auth_time, amr=session.amr, acr=session.acr)


async def answer(machines: Machines, approval: Approval, user: User, said: Answer, proof: Authentication) -> Approval:
    """The approval as answered. Raises `Conflict` when it is no longer open or not what the person saw, `AccessDenied`
    when the organisation refuses what the person allows."""
    now, store = machines.clock.now(), machines.store
    answering.addressed(approval, user)
    answering.judge(approval, version=said.version, digest=said.digest, now=now)
    grant = await _agreement(machines, approval, user, proof) if said.outcome == "approved" else None
    steps: list[Step] = [
        store.approvals.decide(
            approval, said.outcome, user.id, now, reason=said.reason, grant_id=grant.id if grant else None
        )
    ]
    if grant:
        steps.append(store.grants.add(grant))
    event = machines.event(
        f"approval.{said.outcome}", user=user.id, client=approval.client_id, subject=approval.id,
        digest=approval.digest, reason=said.reason, grant=grant.id if grant else None, amr=list(proof.amr),
    )  # fmt: skip
    try:
        await store.commit(*steps, events=(event,), wakes=wakes(approval))
    except Lost as error:
        raise Conflict("This request was answered in this moment, elsewhere.") from error
    decided = await store.approvals.get(approval.id)
    assert decided is not None, "it was just answered"
    return decided


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


async def _agreement(machines: Machines, approval: Approval, user: User, proof: Authentication) -> Grant:
    client = await machines.store.clients.get(approval.client_id)
    if client is None:
        raise AccessDenied("The application that asked is gone.")
    act = Act(
        kind="ask", client=client, user=user, audiences=approval.audiences, scopes=approval.scopes,
        details=approval.details, approved_by=(user.id,),
    )  # fmt: skip
    decision = await machines.decide(act)
    if not isinstance(decision, Permit):
        reason = getattr(decision, "reason", "The organisation's policy wants another person's approval.")
        raise AccessDenied(reason)
    return Grant(
        id=new_id(), client_id=client.id, user_id=user.id, scopes=approval.scopes, audiences=approval.audiences,
        details=approval.details, auth_time=proof.auth_time, amr=proof.amr, acr=proof.acr, created_at=machines.clock.now(),
    )  # fmt: skip
