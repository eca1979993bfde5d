"""/allowances: what the person allows ahead, and which agents may not ask them."""

from __future__ import annotations

from remit_server.records import Allowance, DetailType, User
from remit_server.rules.reading import money
from remit_server.runtime.machines import Machines
from remit_server.ui.ahead import limit_told
from remit_server.ui.html import Pages
from remit_server.ui.pages.doorkeeper import sign_in_first, signed_in
from remit_server.ui.render import Page
from remit_server.ui.telling import viewer_of
from remit_server.ui.views.approvals import AllowancesView, Allowed, Blocked
from remit_server.ui.views.parts import Fact
from remit_server.wire.details import known_types
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import Visitor, visitor


class AllowancesPage:
    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        who = await visitor(request, self._machines)
        person = signed_in(who)
        if person is None:
            return await sign_in_first(self._machines, who, "/allowances")
        return await allowances_page(self._machines, self._pages, who, person[0])


async def allowances_page(
    machines: Machines, pages: Pages, who: Visitor, user: User, *, done: str | None = None
) -> Answer:
    """The page; `done` says what just happened."""
    store, now, types = machines.store, machines.clock.now(), await known_types(machines)
    clients = {client.id: client.name for client in await store.clients.all()}
    apis = {api.identifier: api.name for api in await store.apis.all()}
    found = [
        _allowed(each, types.get(each.type), clients.get(each.client_id, each.client_id), apis, now)
        for each in await store.allowances.of_user(user.id)
    ]
    blocked = await store.blocked_askers.of_user(user.id)
    view = AllowancesView(
        csrf=who.csrf,
        viewer=await viewer_of(machines, user),
        now=now,
        allowances=tuple(sorted(found, key=lambda each: (each.over is not None, -each.given_at))),
        blocked=tuple(
            Blocked(client_id=id_, agent_name=clients.get(id_, id_), at=at) for id_, at in blocked.items()
        ),
        done=done,
    )  # fmt: skip
    return pages(Page(view))


def _allowed(allowance: Allowance, kind: DetailType | None, agent: str, apis: dict[str, str], now: int) -> Allowed:
    uses, times, currency = allowance.uses, allowance.times, allowance.currency
    facts = [Fact(label="At", value=", ".join(apis.get(each, each) for each in allowance.audiences))]
    for name, limit in allowance.limits.items():
        label, _, value = (limit_told(name, limit, kind) if kind else f"{name}: {limit}").partition(": ")
        facts.append(Fact(label=label, value=value))
    spent = None
    if currency:
        facts.append(Fact(label="Each up to", value=money(allowance.per_act, currency), emphasis=True))
        spent = f"{money(allowance.spent, currency)} of {money(allowance.total, currency)}"
    used_up = uses >= times or (currency is not None and allowance.spent >= allowance.total)
    share = max(uses / times, allowance.spent / allowance.total if currency and allowance.total else 0)
    return Allowed(
        id=allowance.id,
        agent_name=agent,
        title=str(kind.document["title"]) if kind else allowance.type,
        facts=tuple(facts),
        given_at=allowance.created_at,
        ends_at=allowance.expires_at,
        used_at=allowance.used_at,
        uses=uses,
        times=times,
        spent=spent,
        share=round(min(share, 1) * 100),
        over="taken back" if allowance.revoked_at is not None
        else "expired" if allowance.expires_at <= now
        else "used up" if used_up
        else None,
    )  # fmt: skip
