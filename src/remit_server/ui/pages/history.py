"""/approvals/history: what the person was asked, how it ended, and what was done with it."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

from remit_server.errors import InvalidRequest
from remit_server.records import Approval
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.approvals import decided, names_of, state_of
from remit_server.ui.pages.doorkeeper import here, sign_in_first, signed_in
from remit_server.ui.render import Page
from remit_server.ui.telling import viewer_of
from remit_server.ui.views.approvals import HistoryView
from remit_server.ui.views.parts import Choice
from remit_server.wire.form import parse_query
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import visitor

ON_A_PAGE: Final = 50
FURTHEST: Final = 20
"""Pages that one view looks through for what a filter lets pass."""
OUTCOMES: Final = {
    "approved": ("Approved", frozenset({"approved", "used", "partly", "lapsed"})),
    "unused": ("Approved, never used", frozenset({"approved", "lapsed"})),
    "denied": ("Denied", frozenset({"denied"})),
    "expired": ("Expired", frozenset({"expired"})),
}

Place = tuple[int, str]
"""When a request was asked, and its id: those after it on the page are older."""


class History:
    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        machines, now = self._machines, self._machines.clock.now()
        who = await visitor(request, machines)
        person = signed_in(who)
        if person is None:
            return await sign_in_first(machines, who, here(request))
        user, query = person[0], parse_query(request)
        agent, outcome, before = query.get("agent") or "", query.get("outcome") or "", query.get("before")
        wanted = OUTCOMES[outcome][1] if outcome in OUTCOMES else None

        def belongs(approval: Approval) -> bool:
            state = state_of(approval, now)
            over = approval.kind != "device" and state not in {"pending", "asking"}
            return over and (not agent or approval.client_id == agent) and (wanted is None or state in wanted)

        found, older = await self._found(user.id, _place(before), belongs)
        names = await names_of(machines, [*await machines.store.approvals.of_user(user.id), *found])
        view = HistoryView(
            viewer=await viewer_of(machines, user),
            now=now,
            decided=tuple(await gather(*(decided(machines, each, names[each.client_id], now) for each in found))),
            agents=tuple(Choice(value=id_, label=name) for id_, name in names.items()),
            agent=agent,
            outcomes=tuple(Choice(value=value, label=label) for value, (label, _) in OUTCOMES.items()),
            outcome=outcome if wanted else "",
            older_href=_older(older, agent, outcome) if older else None,
            newest=before is None,
        )
        return self._pages(Page(view))

    async def _found(
        self, user_id: str, place: Place, belongs: Callable[[Approval], bool]
    ) -> tuple[list[Approval], Place | None]:
        """A page of them, newest first, and from where to go on; None where there are no older ones."""
        found: list[Approval] = []
        for _ in range(FURTHEST):
            some = await self._machines.store.approvals.before(user_id, *place, ON_A_PAGE)
            for each in some:
                place = (each.created_at, each.id)
                if belongs(each):
                    found.append(each)
                if len(found) == ON_A_PAGE:
                    return found, place
            if len(some) < ON_A_PAGE:
                return found, None
        return found, place


def _place(before: str | None) -> Place:
    if before is None:
        return 2**62, ""
    at, _, id_ = before.partition(".")
    if not at.isascii() or not at.isdigit() or len(at) > 18:
        raise InvalidRequest("before must be a place in the history.")
    return int(at), id_


def _older(place: Place, agent: str, outcome: str) -> str:
    chosen = {name: value for name, value in (("agent", agent), ("outcome", outcome)) if value}
    return "/approvals/history?" + urlencode({**chosen, "before": f"{place[0]}.{place[1]}"})
