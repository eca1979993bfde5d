"""Standing allowances: given with an answer, used in the person's place, taken back."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from remit_server.approvals.agreement import agreed
from remit_server.errors import AccessDenied, InvalidRequest, NotFound
from remit_server.records import Allowance, Approval, Client, Event, User
from remit_server.rules import allowance as rules
from remit_server.rules.answering import may_be_remembered
from remit_server.runtime.ids import new_id
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost, Step
from remit_server.wire.details import known_types


class Remember(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person allows ahead, beside saying yes: this agent, this kind, these APIs, within these bounds."""

    times: int
    expires_at: int
    per_act: int = 0
    total: int = 0
    currency: str | None = None
    limits: dict[str, Any] = field(default_factory=dict)


class Ahead(Struct, frozen=True, kw_only=True):
    """A request that an allowance answers: as approved, and what is written for it. The first step decides."""

    approval: Approval
    steps: tuple[Step, ...]
    events: tuple[Event, ...]


async def allowing(machines: Machines, approval: Approval, remember: Remember) -> Allowance:
    """The allowance that a person wants to give with a yes. Raises `InvalidRequest` for one that may not be given."""
    kind = may_be_remembered(approval, await known_types(machines))
    if kind is None:
        raise InvalidRequest("What is asked here cannot be allowed ahead.")
    now = machines.clock.now()
    allowance = Allowance(
        id=new_id(), user_id=approval.user_id or "", client_id=approval.client_id, type=kind.type,
        audiences=approval.audiences, scopes=approval.scopes, limits=remember.limits, currency=remember.currency,
        per_act=remember.per_act, total=remember.total, times=remember.times, created_at=now,
        expires_at=remember.expires_at,
    )  # fmt: skip
    rules.check(allowance, kind, now)
    return allowance


def given(machines: Machines, approval: Approval, allowance: Allowance) -> tuple[Step, Event]:
    """What is written for it."""
    event = machines.event(
        "allowance.given", user=approval.user_id, client=approval.client_id, subject=allowance.id, approval=approval.id,
        proven=allowance.proven, type=allowance.type, times=allowance.times, per_act=allowance.per_act, total=allowance.total,
        currency=allowance.currency, limits=allowance.limits, expires_at=allowance.expires_at,
    )  # fmt: skip
    return machines.store.allowances.add(allowance), event


async def ahead(machines: Machines, client: Client, approval: Approval) -> Ahead | None:
    """The request as answered by an allowance, if one covers it and the organisation permits it; else the person is asked."""
    store, now = machines.store, machines.clock.now()
    if not approval.details or approval.kind != "ciba" or approval.user_id is None:
        return None
    holding = await store.allowances.holding(approval.user_id, client.id, approval.details[0]["type"], now)
    if not holding:
        return None
    judged = rules.judge(holding, approval, await known_types(machines), approval.risk, now)
    user = await store.users.get(approval.user_id)
    if isinstance(judged, rules.NotCovered) or user is None:
        return None
    try:
        grant = await agreed(machines, client, approval, user, approval.details)
    except AccessDenied:
        return None
    answered = replace(
        approval, state="approved", decided_at=now, decided_by=user.id, grant_id=grant.id, approved=approval.details,
        approved_digest=approval.digest, allowance_id=judged.allowance.id, same=None,
        notify_at=None if approval.mode == "poll" else now,
    )  # fmt: skip
    used = machines.event(
        "allowance.used", user=user.id, client=client.id, subject=judged.allowance.id, approval=approval.id,
        amount=judged.amount, acts=judged.acts, currency=judged.allowance.currency, digest=approval.digest,
    )  # fmt: skip
    approved = machines.event(
        "approval.approved", user=user.id, client=client.id, subject=approval.id, digest=approval.digest,
        grant=grant.id, allowance=judged.allowance.id,
    )  # fmt: skip
    spending = store.allowances.spend(judged.allowance.id, judged.amount, now, acts=judged.acts)
    return Ahead(
        approval=answered,
        steps=(spending, store.grants.add(grant), store.approvals.add(answered)),
        events=(used, approved),
    )


async def take_back(machines: Machines, user: User, allowance_id: str, *, address: str | None = None) -> None:
    """From the next request on the person is asked again. Raises `NotFound` where they have no such allowance that holds."""
    store = machines.store
    allowance = await store.allowances.get(allowance_id, user.id)
    gone = NotFound("There is no such allowance of yours, or it was taken back.")
    if allowance is None:
        raise gone
    event = machines.event(
        "allowance.revoked", user=user.id, client=allowance.client_id, subject=allowance.id, type=allowance.type,
        address=address,
    )  # fmt: skip
    try:
        await store.commit(store.allowances.revoke(allowance.id, user.id, machines.clock.now()), events=(event,))
    except Lost as error:
        raise gone from error
