"""File a pending decision: store it, tell the trail, wake whoever watches."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from remit_server.approvals.ahead import ahead
from remit_server.approvals.channels.outbox import filed
from remit_server.approvals.weigh import weighed
from remit_server.errors import TooManyRequests
from remit_server.records import Approval, Client, Event
from remit_server.rules import asking
from remit_server.rules.details import digest
from remit_server.runtime.ids import hashed, new_id, new_secret
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost
from remit_server.wire.targets import Target

TOLD: Final = "clients to tell"
"""Whoever tells clients of answers listens to this topic."""


class Question(Struct, frozen=True, kw_only=True):
    """What is asked, once it has been judged."""

    kind: Literal["ciba", "device", "policy"]
    target: Target
    lifetime: int
    user_id: str | None = None
    details: tuple[dict[str, Any], ...] = ()
    binding_message: str | None = None
    notification_token: str | None = None
    user_code: str | None = None
    jkt: str | None = None
    origin: str = ""


class Asked(Struct, frozen=True):
    """The stored request, and the secret that its client polls with."""

    approval: Approval
    handle: str


def handle_of(machines: Machines, approval_id: str) -> str:
    """The auth_req_id or device_code of a request: 256 bits that nobody can know without our key, and that need not be kept
    to be told to the client once more."""
    return machines.peppers.mac("request handle", approval_id)


async def ask(machines: Machines, client: Client, question: Question) -> Asked:
    """Store the question as pending. The details and their digest never change from here on."""
    now, approval_id = machines.clock.now(), new_id()
    handle = handle_of(machines, approval_id)
    approval = Approval(
        id=approval_id,
        kind=question.kind,
        client_id=client.id,
        handle=hashed(handle),
        user_id=question.user_id,
        user_code=machines.peppers.mac("user code", question.user_code) if question.user_code else None,
        scopes=question.target.scopes,
        audiences=question.target.audiences,
        details=question.details,
        digest=digest(question.details),
        nonce=new_secret(),
        binding_message=question.binding_message,
        jkt=question.jkt,
        interval=machines.settings.poll_interval,
        mode=client.backchannel_token_delivery_mode if question.kind == "ciba" else "poll",
        notification_token=question.notification_token,
        origin=question.origin,
        created_at=now,
        expires_at=now + question.lifetime,
    )
    approval = await weighed(machines, approval)
    event = machines.event(
        "approval.asked", user=question.user_id, client=client.id, subject=approval.id, address=question.origin,
        asked_by=question.kind, scope=" ".join(approval.scopes), details=list(approval.details), digest=approval.digest,
        risk=approval.risk,
    )  # fmt: skip
    if question.kind == "ciba":
        return await _asked_once(machines, client, approval, event)
    await machines.store.commit(
        machines.store.approvals.add(approval), *await filed(machines, approval), events=(event,), wakes=wakes(approval)
    )
    return Asked(approval, handle)


async def _asked_once(machines: Machines, client: Client, approval: Approval, event: Event) -> Asked:
    """What is open already is not asked again: the client gets the same request, and the person no second card. What the person
    has allowed ahead is not asked at all. Raises `TooManyRequests` when the agent, or all together, have asked this person
    enough."""
    store, settings, now = machines.store, machines.settings, machines.clock.now()
    person = approval.user_id or ""
    wait = asking.pause(await store.approvals.last_asked(client.id, person, asking.REMEMBERED), now)
    approval = msgspec.structs.replace(approval, same=_same(machines, approval))
    of_agent, of_all = f"asks|{person}|{client.id}", f"asks|{person}"
    budgets = (
        *store.once.spend(of_agent, now, asking.WINDOW, settings.asks_per_agent),
        *store.once.spend(of_all, now, asking.WINDOW, settings.asks_per_person),
    )
    told = await filed(machines, approval)
    while True:
        if (open_ := await store.approvals.same(approval.same or "")) is not None:
            if now < open_.expires_at:
                return Asked(open_, handle_of(machines, open_.id))
            await expire(machines, open_)
        if (answered := await ahead(machines, client, approval)) is not None:
            with suppress(Lost):  # somebody used up what was left of it, in this moment
                events, woken = (event, *answered.events), wakes(answered.approval)
                await store.commit(*answered.steps, events=events, wakes=woken)
                return Asked(answered.approval, handle_of(machines, approval.id))
            continue
        if wait:
            raise _enough(wait)
        try:
            await store.commit(*budgets, store.approvals.add(approval), *told, events=(event,), wakes=wakes(approval))
        except Lost as error:
            if error.step < len(budgets):
                raise _enough(asking.SHORTEST) from error
            await store.commit(store.once.refund(of_agent), store.once.refund(of_all))
            continue  # the same was asked in this moment, elsewhere
        return Asked(approval, handle_of(machines, approval.id))


def _enough(seconds: int) -> TooManyRequests:
    text = "This person has been asked enough for now."
    return TooManyRequests(text, headers={"Retry-After": str(seconds)})


def _same(machines: Machines, approval: Approval) -> str:
    """All that makes two requests one: who asks whom for what, in which words, and how the answer travels."""
    about = [
        approval.client_id, approval.user_id, approval.scopes, approval.audiences, approval.digest,
        approval.binding_message, approval.jkt, approval.mode, approval.notification_token,
    ]  # fmt: skip
    return machines.peppers.mac("same request", msgspec.json.encode(about).decode())


async def expire(machines: Machines, approval: Approval) -> None:
    """Close what nobody answered in time."""
    event = machines.event("approval.expired", user=approval.user_id, client=approval.client_id, subject=approval.id)
    step = machines.store.approvals.expire(approval.id, machines.clock.now())
    with suppress(Lost):  # expired before, or answered in this moment: whoever looks next hears of it
        await machines.store.commit(step, events=(event,), wakes=wakes(approval))


def topic(approval: Approval) -> str:
    """By which whoever polls it hears of a change."""
    return f"approval:{approval.id}"


def wakes(approval: Approval) -> tuple[str, ...]:
    """Who must hear of a change: whoever polls it, whoever tells the client, and the inbox of the person."""
    inbox = (f"inbox:{approval.user_id}",) if approval.user_id else ()
    return (topic(approval), *inbox, *(() if approval.mode == "poll" else (TOLD,)))
