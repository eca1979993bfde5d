"""/approvals and /approvals/{id}: what waits for a person's answer, and the card on which it is given."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Iterable
from typing import Any, Final

from remit_server.approvals.answer import Answer as Said
from remit_server.approvals.answer import Authentication, answer
from remit_server.approvals.proof import Shown
from remit_server.approvals.shown import use_of
from remit_server.errors import Conflict, ProtocolError
from remit_server.identity.advance import see_other
from remit_server.records import Approval, User
from remit_server.rules import answering, polling, thread, using
from remit_server.runtime.machines import Machines
from remit_server.ui import ahead, editing
from remit_server.ui.html import Pages
from remit_server.ui.pages.doorkeeper import here, sign_in_first, signed_in
from remit_server.ui.proving import proof_view
from remit_server.ui.render import Page
from remit_server.ui.telling import agent_of, asked_for, facts_of, viewer_of
from remit_server.ui.views import approvals as views
from remit_server.ui.views.approvals import ApprovalsView, ApprovalView, Decided, Over, State, Waiting
from remit_server.ui.views.parts import Choice, Fact
from remit_server.ui.wording import ago
from remit_server.wire import csrf
from remit_server.wire.details import known_types
from remit_server.wire.form import Form, parse_form, parse_query
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import Visitor, visitor

REASONS: Final = {"not_me": "Not me", "wrong_amount": "Wrong amount", "not_now": "Not now"}
LATELY: Final = 5
"""Decisions that the inbox has below what waits."""
REMEMBERED: Final = 200
"""Requests of a person that are looked at for earlier ones of an agent."""
_OVER: Final[dict[using.Use, Over]] = {
    "unused": "approved", "partly_used": "partly", "used": "used", "never_used": "lapsed"
}  # fmt: skip


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
        after = await _newest(machines, user)  # before what it tells of is read
        found = [each for each in await machines.store.approvals.of_user(user.id) if each.kind != "device"]
        names = await names_of(machines, found)
        shown = [(each, state_of(each, now)) for each in found if not wanted or each.client_id == wanted]
        over = [each for each, state in shown if state not in {"pending", "asking"}]
        over.sort(key=lambda each: each.decided_at or each.expires_at, reverse=True)
        choices = tuple(Choice(value=client, label=name) for client, name in names.items())
        view = ApprovalsView(
            viewer=await viewer_of(machines, user),
            now=now,
            after=after,
            waiting=await self._waiting([each for each, state in shown if state == "pending"], names),
            asking=await self._waiting([each for each, state in shown if state == "asking"], names),
            decided=tuple(
                await gather(*(decided(machines, each, names[each.client_id], now) for each in over[:LATELY]))
            ),
            agents=choices if len(choices) > 1 else (),
            agent=wanted if wanted in names else "",
        )
        return self._pages(Page(view))

    async def _waiting(self, found: list[Approval], names: dict[str, str]) -> tuple[Waiting, ...]:
        """Rows, soonest to expire first."""
        found.sort(key=lambda each: each.expires_at)
        return tuple(
            [
                Waiting(
                    id=each.id,
                    agent_name=names[each.client_id],
                    act=(await asked_for(self._machines, each)).sentence,
                    asked_at=each.created_at,
                    expires_at=each.expires_at,
                    unusual=next(iter(each.risk_why + each.unusual), None),
                    replied=bool(each.thread) and each.state == "pending",
                )
                for each in found
            ]
        )


async def names_of(machines: Machines, found: Iterable[Approval]) -> dict[str, str]:
    """The agents of these requests: ids to names, by name."""
    names = {}
    for client_id in {each.client_id for each in found}:
        client = await machines.store.clients.get(client_id)
        names[client_id] = client.name if client else client_id
    return dict(sorted(names.items(), key=lambda item: item[1]))


async def decided(machines: Machines, approval: Approval, name: str, now: int) -> Decided:
    """A request that is over, as a row."""
    state = await _over(machines, approval, now)
    at = {"used": approval.spent_at or approval.taken_at, "expired": approval.expires_at}.get(
        state, approval.decided_at
    )
    return Decided(
        id=approval.id,
        agent_name=name,
        act=(await asked_for(machines, approval)).sentence,
        state=state,
        at=at or approval.decided_at or approval.expires_at,
        reason=approval.reason,
        edited=bool(approval.changes),
        ahead=approval.allowance_id is not None,
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
        after = await _newest(machines, user)
        approval = answering.addressed(await machines.store.approvals.get(request.params["id"]), user)
        if request.method != "POST":
            return await self._card(approval, user, who, after)
        form = await parse_form(request)
        csrf.check(request, form, who, machines.settings)
        try:
            said = await self._said(approval, form)
            await answer(machines, approval, user, said, Authentication.of(session))
        except ProtocolError as error:
            after = await _newest(machines, user)
            fresh = await machines.store.approvals.get(approval.id) or approval
            if isinstance(error, Conflict) and _says(fresh, form):
                return see_other(f"/approvals/{approval.id}")  # a second press on the same button
            return await self._card(fresh, user, who, after, error=error.text, sent=form, status=error.status)
        return see_other(f"/approvals/{approval.id}")

    async def _said(self, approval: Approval, form: Form) -> Said:
        """What the form says. Raises `InvalidDetails` and `InvalidRequest` for what could not be meant."""
        shown: dict[str, Any] = {"version": editing.version(form), "digest": form.need("digest")}
        match form.need("answer"):
            case "approve":
                types = await known_types(self._machines)
                details = editing.edited(approval, form, types)
                return Said(
                    outcome="approved", details=None if details == approval.details else details,
                    remember=ahead.remembered(approval, form, types),
                    proof=Shown(assertion=form.get("assertion"), code=form.get("code")), **shown,
                )  # fmt: skip
            case "ask":
                return Said(outcome="asked", text=form.get("question"), **shown)
            case _:
                return Said(
                    outcome="denied", reason=_reason(form), block=form.has("block"), report=form.has("report"), **shown
                )

    async def _card(
        self,
        approval: Approval,
        user: User,
        who: Visitor,
        after: int,
        *,
        error: str | None = None,
        sent: Form | None = None,
        status: int = 200,
    ) -> Answer:
        """The page; `sent` is what was typed, when the answer could not be taken."""
        machines, now = self._machines, self._machines.clock.now()
        client = await machines.store.clients.get(approval.client_id)
        read, types, state = await asked_for(machines, approval), await known_types(machines), state_of(approval, now)
        last, first = await self._before(approval)
        view = ApprovalView(
            csrf=who.csrf,
            viewer=await viewer_of(machines, user),
            now=now,
            id=approval.id,
            digest=approval.digest,
            after=after,
            version=str(approval.version),
            state=state if state in {"pending", "asking"} else await _over(machines, approval, now),
            agent=await agent_of(machines, client, approval.client_id, last_asked_at=last),
            first_time=first,
            purpose=client.purpose if client else None,
            act=read.sentence,
            known=read.known,
            facts=facts_of(read) + await self._goes_to(approval),
            agent_says=approval.binding_message,
            origin=(
                f"asked {ago(approval.created_at, now)}",
                *([f"from {approval.origin}"] if approval.origin else []),
            ),
            differences=approval.unusual,
            risk=approval.risk,
            risk_why=approval.risk_why,
            effect=f"{read.effect}.",
            expires_at=approval.expires_at,
            fields=editing.fields(approval, types, sent),
            editing=sent is not None and editing.touched(approval, sent, types),
            thread=tuple(views.Said(mine=each.by == "person", at=each.at, text=each.text) for each in approval.thread),
            may_ask=thread.can_ask(approval),
            question=(sent.get("question") or "") if sent else "",
            ahead=ahead.offered(approval, types, now, sent),
            proof=await proof_view(machines, approval, user),
            decided_at=approval.decided_at,
            reason=approval.reason,
            reason_text=(sent.get("reason_text") or "") if sent else "",
            error=error,
            changes=approval.changes,
            by_allowance=approval.allowance_id is not None,
            used_at=approval.spent_at or (None if approval.approved else approval.taken_at),
            used_by=await self._name(approval.spent_by),
        )
        return self._pages(Page(view, status=status))

    async def _before(self, approval: Approval) -> tuple[int | None, bool]:
        """When the agent asked this person the last time before, as far as is looked back; and whether it never did."""
        some = await self._machines.store.approvals.before(
            approval.user_id or "", approval.created_at, approval.id, REMEMBERED
        )
        last = next((each.created_at for each in some if each.client_id == approval.client_id), None)
        return last, last is None and len(some) < REMEMBERED

    async def _goes_to(self, approval: Approval) -> tuple[Fact, ...]:
        apis = [await self._machines.store.apis.get(audience) for audience in approval.audiences]
        names = ", ".join(api.name for api in apis if api)
        return (Fact(label="Goes to", value=names),) if names else ()

    async def _name(self, client_id: str | None) -> str | None:
        client = await self._machines.store.clients.get(client_id) if client_id else None
        return client.name if client else client_id


async def _newest(machines: Machines, user: User) -> int:
    """The number of this person's newest event: what comes after it is not on a page that is made from now on."""
    newest = await machines.store.trail.of_user(user.id, limit=1)
    return newest[0][0] if newest else 0


def state_of(approval: Approval, now: int) -> State:
    """What the person sees of it, as far as the record alone says."""
    if approval.state in answering.OPEN:
        open_: State = "pending" if approval.state == "pending" else "asking"
        return open_ if now < approval.expires_at else "expired"
    if approval.state in {"denied", "expired"}:
        return "denied" if approval.state == "denied" else "expired"
    if (use := using.use(approval, now)) is not None:
        return _OVER[use]
    if approval.state == "taken":
        return "used"
    return "approved" if polling.takeable(approval, now) else "lapsed"


async def _over(machines: Machines, approval: Approval, now: int) -> Over:
    """The same of one that is over, and what became of the agreement under it."""
    state = state_of(approval, now)
    if state == "pending" or state == "asking":  # noqa: PLR1714 - mypy follows it so
        raise AssertionError("told apart by the caller")
    use = await use_of(machines, approval) if state == "approved" else None
    return _OVER[use] if use else state


def _says(approval: Approval, form: Form) -> bool:
    """Whether what this form says is what was answered already."""
    wanted = {"approve": {"approved", "taken"}, "deny": {"denied"}, "ask": {"info_requested"}}
    return approval.state in wanted.get(form.get("answer") or "", set()) and form.get("digest") == approval.digest


def _reason(form: Form) -> str | None:
    chip, typed = form.get("reason"), (form.get("reason_text") or "").strip()
    words = [REASONS[chip]] if chip in REASONS else []
    return ": ".join([*words, typed] if typed else words)[: answering.LONGEST_REASON] or None
