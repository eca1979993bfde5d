"""GET /activity: what happened, for the person it happened to; everything for administrators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from remit_server.errors import InvalidRequest
from remit_server.oversight.timeline import REFUSED, ChainWatch, sentence
from remit_server.records import Event, User
from remit_server.runtime.machines import Machines
from remit_server.ui.html import Pages
from remit_server.ui.pages.accounts import provider_name
from remit_server.ui.pages.doorkeeper import here, sign_in_first, signed_in
from remit_server.ui.render import Page
from remit_server.ui.telling import asked_for, viewer_of
from remit_server.ui.views.activity import ActivityView, Chain, Happening
from remit_server.ui.views.parts import Choice
from remit_server.wire.form import parse_query
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import visitor

ON_A_PAGE = 100
FURTHEST = 20
"""Pages of events that one view looks through for those of one agent."""

Seen = tuple[int, Event]


class Activity:
    def __init__(self, machines: Machines, pages: Pages, watch: ChainWatch) -> None:
        self._machines, self._pages, self._watch = machines, pages, watch

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        person = signed_in(who := await visitor(request, machines))
        if person is None:
            return await sign_in_first(machines, who, here(request))
        user, _ = person
        query = parse_query(request)
        agent = query.get("agent") or ""
        found, more = await self._found(user, agent, _before(query.get("before")))
        clients = {client.id: client.name for client in await machines.store.clients.all()}
        names = _Names(await self._users(user, found), clients, await self._providers(), await self._acts(user))
        chain = await self._watch.state()
        mine = {id_ for _, event in found for id_ in (event.actor.client,) if id_} | ({agent} if agent else set())
        offered = clients if user.administrator else {id_: name for id_, name in clients.items() if id_ in mine}
        view = ActivityView(
            viewer=await viewer_of(machines, user),
            now=machines.clock.now(),
            chain=Chain(events=chain.events, checked_at=chain.checked_at, broken_at=chain.broken_at),
            happenings=tuple(_happening(event, user, names) for _, event in found),
            agents=tuple(
                Choice(value=id_, label=name) for id_, name in sorted(offered.items(), key=lambda one: one[1])
            ),
            agent=agent if agent in offered else "",
            export_href="/activity/export",
            older_href=_older(found[-1][0], agent) if more and found else None,
        )
        return self._pages(Page(view))

    async def _found(self, user: User, agent: str, before: int) -> tuple[list[Seen], bool]:
        """A page of events, newest first, and whether there are older ones."""
        found: list[Seen] = []
        for _ in range(FURTHEST):
            some = await self._read(user, agent, before)
            found += [one for one in some if not agent or agent in {one[1].actor.client, one[1].subject}]
            if len(some) < ON_A_PAGE or len(found) >= ON_A_PAGE:
                return found[:ON_A_PAGE], len(some) == ON_A_PAGE or len(found) > ON_A_PAGE
            before = some[-1][0]
        return found, True

    async def _read(self, user: User, agent: str, before: int) -> Sequence[Seen]:
        trail = self._machines.store.trail
        if not user.administrator:
            return await trail.of_user(user.id, before=before, limit=ON_A_PAGE)
        if agent:
            return await trail.of_client(agent, before=before, limit=ON_A_PAGE)
        return await trail.latest(before=before, limit=ON_A_PAGE)

    async def _users(self, viewer: User, found: list[Seen]) -> dict[str, str]:
        """Names of the people in these events."""
        names = {viewer.id: viewer.name or viewer.email or viewer.id}
        for _, event in found:
            if (id_ := event.actor.user) and id_ not in names:
                user = await self._machines.store.users.get(id_)
                names[id_] = (user.name or user.email if user else None) or id_
        return names

    async def _providers(self) -> dict[str, str]:
        return {each.name: provider_name(each) for each in await self._machines.store.connections.all()}

    async def _acts(self, viewer: User) -> dict[str, str]:
        """What the viewer was asked, by the approval's id. What others were asked is between them and their agents."""
        asked = await self._machines.store.approvals.of_user(viewer.id)
        return {each.id: (await asked_for(self._machines, each)).sentence for each in asked}


class _Names(NamedTuple):
    """What ids are called."""

    users: dict[str, str]
    clients: dict[str, str]
    providers: dict[str, str]
    acts: dict[str, str]

    def user(self, id_: str | None) -> str:
        return self.users.get(id_ or "", id_ or "somebody")

    def client(self, id_: str | None) -> str:
        return self.clients.get(id_ or "", id_ or "An app")

    def connection(self, name: str | None) -> str:
        return self.providers.get(name or "", name or "a provider")

    def act(self, id_: str | None) -> str:
        return self.acts.get(id_ or "", "")


def _happening(event: Event, viewer: User, names: _Names) -> Happening:
    words = sentence(event, user=names.user, client=names.client, connection=names.connection, act=names.act)
    actors = [names.user(id_) for id_ in (event.actor.user,) if id_]
    actors += [names.client(id_) for id_ in (event.actor.client, *reversed(event.actor.chain)) if id_]
    own = event.kind.startswith("approval.") and event.actor.user == viewer.id and event.subject
    return Happening(
        at=event.at,
        sentence=words[:1].upper() + words[1:],
        actors=tuple(actors) if len(actors) > 1 else (),
        outcome="refused" if event.kind in REFUSED else "done",
        href=f"/approvals/{event.subject}" if own else None,
    )


def _before(text: str | None) -> int:
    if text is None:
        return 2**62
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise InvalidRequest("before must be the number of an event.")
    return int(text)


def _older(seq: int, agent: str) -> str:
    return "/activity?" + urlencode({"before": seq} | ({"agent": agent} if agent else {}))
