"""/approvals and /approvals/{id}: what waits for a person's answer, and the card on which it is given."""

from __future__ import annotations

from typing import Literal

from remit_server.approvals.answer import Answer as Said
from remit_server.approvals.answer import Authentication, answer
from remit_server.errors import Conflict, ProtocolError
from remit_server.identity.advance import see_other
from remit_server.records import Approval, User
from remit_server.rules import answering, polling, reading
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.doorkeeper import here, sign_in_first, signed_in
from remit_server.ui.render import Page
from remit_server.ui.telling import agent_of, asked_for, facts_of, viewer_of
from remit_server.ui.views.approvals import ApprovalsView, ApprovalView, Decided, State, Waiting
from remit_server.ui.views.parts import Choice
from remit_server.wire import csrf
from remit_server.wire.form import parse_form, parse_query
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import Visitor, visitor

REASONS = {"not_me": "Not me", "wrong_amount": "Wrong amount", "not_now": "Not now"}
OPEN = frozenset({"pending", "info_requested"})


class ApprovalsPage:
    """The inbox."""

    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        machines, now = self._machines, self._machines.clock.now()
        who = await visitor(request, machines)
        person = signed_in(who)
        if person is None:
            return await sign_in_first(machines, who, here(request))
        user, _ = person
        wanted = parse_query(request).get("agent") or ""
        newest = await machines.store.trail.of_user(user.id, limit=1)  # before what it tells of is read
        found = [each for each in await machines.store.approvals.of_user(user.id) if each.kind != "device"]
        names = {each.client_id: await self._name(each.client_id) for each in found}
        shown = [each for each in found if not wanted or each.client_id == wanted]
        waiting = [await self._waiting(each, names[each.client_id]) for each in shown if _state(each, now) == "pending"]
        decided = [
            await self._decided(each, names[each.client_id], now) for each in shown if _state(each, now) != "pending"
        ]
        choices = tuple(
            Choice(value=client, label=name) for client, name in sorted(names.items(), key=lambda item: item[1])
        )
        view = ApprovalsView(
            viewer=await viewer_of(machines, user),
            now=now,
            after=newest[0][0] if newest else 0,
            waiting=tuple(sorted(waiting, key=lambda each: each.expires_at)),
            decided=tuple(sorted(decided, key=lambda each: each.at, reverse=True)),
            agents=choices if len(choices) > 1 else (),
            agent=wanted if wanted in names else "",
        )
        return self._pages(Page(view))

    async def _name(self, client_id: str) -> str:
        client = await self._machines.store.clients.get(client_id)
        return client.name if client else client_id

    async def _waiting(self, approval: Approval, name: str) -> Waiting:
        act = (await asked_for(self._machines, approval)).sentence
        return Waiting(
            id=approval.id, agent_name=name, act=act, asked_at=approval.created_at, expires_at=approval.expires_at
        )

    async def _decided(self, approval: Approval, name: str, now: int) -> Decided:
        state = _state(approval, now)
        assert state != "pending", "told apart by the caller"
        at = {"used": approval.taken_at, "expired": approval.expires_at}.get(state, approval.decided_at)
        act = (await asked_for(self._machines, approval)).sentence
        return Decided(
            id=approval.id, agent_name=name, act=act, state=state, at=at or approval.expires_at, reason=approval.reason
        )


class ApprovalPage:
    """The card."""

    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who = await visitor(request, machines)
        person = signed_in(who)
        if person is None:
            return await sign_in_first(machines, who, here(request))
        user, session = person
        approval = answering.addressed(await machines.store.approvals.get(request.params["id"]), user)
        if request.method != "POST":
            return await self._card(approval, user, who)
        form = await parse_form(request)
        csrf.check(request, form, who, machines.settings)
        typed = (form.get("reason_text") or "").strip()
        outcome: Literal["approved", "denied"] = "approved" if form.need("answer") == "approve" else "denied"
        said = Said(
            outcome=outcome, version=_version(form.need("version")), digest=form.need("digest"),
            reason=_reason(form.get("reason"), typed) if outcome == "denied" else None,
        )  # fmt: skip
        try:
            await answer(machines, approval, user, said, Authentication.of(session))
        except ProtocolError as error:
            fresh = await machines.store.approvals.get(approval.id) or approval
            status = 409 if isinstance(error, Conflict) else 403
            return await self._card(fresh, user, who, error=error.text, typed=typed, status=status)
        return see_other(f"/approvals/{approval.id}")

    async def _card(
        self,
        approval: Approval,
        user: User,
        who: Visitor,
        *,
        error: str | None = None,
        typed: str = "",
        status: int = 200,
    ) -> Answer:
        machines, now = self._machines, self._machines.clock.now()
        client = await machines.store.clients.get(approval.client_id)
        read = await asked_for(machines, approval)
        goes_to = [api.name for audience in approval.audiences if (api := await machines.store.apis.get(audience))]
        facts = facts_of(read)
        if goes_to:
            facts += facts_of(reading.Reading(
                sentence="", lines=(reading.Line("Goes to", ", ".join(goes_to)),), effect=""
            ))  # fmt: skip
        view = ApprovalView(
            csrf=who.csrf,
            viewer=await viewer_of(machines, user),
            now=now,
            id=approval.id,
            digest=approval.digest,
            version=str(approval.version),
            state=_state(approval, now),
            agent=await agent_of(machines, client, approval.client_id),
            act=read.sentence,
            known=read.known,
            facts=facts,
            agent_says=approval.binding_message,
            origin=(f"asked from {approval.origin}",) if approval.origin else (),
            effect=f"{read.effect}, if you answer within {_minutes(approval.expires_at - now)}.",
            expires_at=approval.expires_at,
            decided_at=approval.decided_at,
            reason=approval.reason,
            reason_text=typed,
            error=error,
            used_at=approval.taken_at,
        )
        return self._pages(Page(view, status=status))


def _version(typed: str) -> int:
    """The number in a form of ours; anything else is no version that a page has shown."""
    return int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 10 else -1


def _state(approval: Approval, now: int) -> State:
    if approval.state in OPEN:
        return "pending" if now < approval.expires_at else "expired"
    if approval.state == "approved" and not polling.takeable(approval, now):
        return "lapsed"
    states: dict[str, State] = {"approved": "approved", "taken": "used", "denied": "denied"}
    return states.get(approval.state, "expired")


def _reason(chip: str | None, typed: str) -> str | None:
    words = [REASONS[chip]] if chip in REASONS else []
    if typed:
        words.append(typed[: answering.LONGEST_REASON])
    return ": ".join(words) or None


def _minutes(seconds: int) -> str:
    if seconds < 90:
        return "a minute"
    if seconds < 5400:
        return f"{round(seconds / 60)} minutes"
    return f"{round(seconds / 3600)} hours" if seconds < 172_800 else f"{round(seconds / 86400)} days"
