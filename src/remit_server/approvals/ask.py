"""File a pending decision: store it, tell the trail, wake whoever watches."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from remit_server.records import Approval, Client
from remit_server.rules.details import digest
from remit_server.runtime.ids import hashed, new_id, new_secret
from remit_server.runtime.machines import Machines
from remit_server.wire.targets import Target


class Question(Struct, frozen=True, kw_only=True):
    """What is asked, once it has been judged."""

    kind: Literal["ciba", "device", "policy"]
    target: Target
    lifetime: int
    user_id: str | None = None
    details: tuple[dict[str, Any], ...] = ()
    binding_message: str | None = None
    user_code: str | None = None
    jkt: str | None = None
    origin: str = ""


class Asked(Struct, frozen=True):
    """The stored request, and the secret that its client polls with."""

    approval: Approval
    handle: str


async def ask(machines: Machines, client: Client, question: Question) -> Asked:
    """Store the question as pending. The details and their digest never change from here on."""
    now, handle = machines.clock.now(), new_secret()
    approval = Approval(
        id=new_id(),
        kind=question.kind,
        client_id=client.id,
        handle=hashed(handle),
        user_id=question.user_id,
        user_code=machines.peppers.mac("user code", question.user_code) if question.user_code else None,
        scopes=question.target.scopes,
        audiences=question.target.audiences,
        details=question.details,
        digest=digest(question.details),
        binding_message=question.binding_message,
        jkt=question.jkt,
        interval=machines.settings.poll_interval,
        origin=question.origin,
        created_at=now,
        expires_at=now + question.lifetime,
    )
    event = machines.event(
        "approval.asked", user=question.user_id, client=client.id, subject=approval.id, address=question.origin,
        asked_by=question.kind, scope=" ".join(approval.scopes), details=list(approval.details), digest=approval.digest,
    )  # fmt: skip
    await machines.store.commit(machines.store.approvals.add(approval), events=(event,), wakes=wakes(approval))
    return Asked(approval, handle)


def wakes(approval: Approval) -> tuple[str, ...]:
    """Who must hear of a change: whoever polls it, and the inbox of the person."""
    own = f"approval:{approval.id}"
    return (own, f"inbox:{approval.user_id}") if approval.user_id else (own,)
