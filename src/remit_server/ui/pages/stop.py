"""/approvals/{id}/stop: what ends when the person stops the agent that asked this, and the button that does it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from remit_server.approvals import standing
from remit_server.records import Approval, User
from remit_server.rules import answering
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.doorkeeper import here, posted, sign_in_first, signed_in
from remit_server.ui.render import Page
from remit_server.ui.telling import agent_of, viewer_of
from remit_server.ui.views.approvals import StopView
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import Visitor, visitor


class StopPage:
    def __init__(self, machines: Machines, pages: Pages) -> None:
        self._machines, self._pages = machines, pages

    async def __call__(self, request: Request) -> Answer:
        machines, id_ = self._machines, request.params["id"]
        if request.method != "POST":
            who = await visitor(request, machines)
            person = signed_in(who)
            if person is None:
                return await sign_in_first(machines, who, here(request))
            return await self._page(who, person[0], await self._asked(id_, person[0]))
        sent = await posted(request, machines, back=f"/approvals/{id_}/stop")
        if isinstance(sent, Answer):
            return sent
        approval, address = await self._asked(id_, sent.user), request.address
        units = [await standing.stopping(machines, sent.user, approval.client_id, address=address)]
        if sent.form.has("report"):
            report = standing.reporting(
                machines, sent.user, approval.client_id, reason=None, approval=approval.id, address=address
            )
            units.insert(0, report)
        await standing.done(machines, *units)
        return await self._page(sent.who, sent.user, approval, done=True)

    async def _asked(self, id_: str, user: User) -> Approval:
        return answering.addressed(await self._machines.store.approvals.get(id_), user)

    async def _page(self, who: Visitor, user: User, approval: Approval, *, done: bool = False) -> Answer:
        machines = self._machines
        client = await machines.store.clients.get(approval.client_id)
        view = StopView(
            csrf=who.csrf,
            viewer=await viewer_of(machines, user),
            now=machines.clock.now(),
            id=approval.id,
            agent=await agent_of(machines, client, approval.client_id),
            ends=() if done else tuple([line async for line in self._ends(user, approval.client_id)]),
            done=done,
        )
        return self._pages(Page(view))

    async def _ends(self, user: User, client_id: str) -> AsyncIterator[str]:
        store, now = self._machines.store, self._machines.clock.now()
        if await store.grants.live(user.id, client_id):
            yield "What you agreed to with it ends, with every token that it has of you."
        lent = [each for each in await store.lendings.of_user(user.id) if each.client_id == client_id]
        if lent:
            yield f"You lend it {_counted(len(lent), 'account')} no more."
        ahead = await store.allowances.of_user(user.id)
        holding = [
            each for each in ahead
            if each.client_id == client_id and each.revoked_at is None and each.expires_at > now
        ]  # fmt: skip
        if holding:
            yield f"{_counted(len(holding), 'allowance').capitalize()} that you gave it {'ends' if len(holding) == 1 else 'end'}."
        asked = [
            each for each in await store.approvals.of_user(user.id)
            if each.client_id == client_id and each.state in answering.OPEN and each.expires_at > now
        ]  # fmt: skip
        if asked:
            yield f"{_counted(len(asked), 'request').capitalize()} of it {'is' if len(asked) == 1 else 'are'} refused."
        yield "It cannot ask you any more."


def _counted(number: int, noun: str) -> str:
    return f"one {noun}" if number == 1 else f"{number} {noun}s"
