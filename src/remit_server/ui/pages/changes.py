"""GET /console/relations/{store_id}/changes: who wrote what, and when, newest first."""

from __future__ import annotations

from collections.abc import Iterable

from remit_server.access.stores import Stores
from remit_server.errors import InvalidRequest
from remit_server.records import Event
from remit_server.records.event import KINDS
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.runtime.machines import Machines
from remit_server.storage.groups.relations import LATEST
from remit_server.ui.html import Pages
from remit_server.ui.pages.console import administrator
from remit_server.ui.pages.relations import entered, in_store
from remit_server.ui.relating import drawn, room
from remit_server.ui.render import Page
from remit_server.ui.views.relations import Change, ChangesView, Write
from remit_server.wire.form import Form, parse_query
from remit_server.wire.http import Answer, Request

ON_A_PAGE = 20
SHOWN = 20
"""Tuples of one write; of more the number is told."""


class Changes:
    def __init__(self, machines: Machines, pages: Pages, stores: Stores) -> None:
        self._machines, self._pages, self._stores = machines, pages, stores

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who = await entered(request, machines)
        if isinstance(who, Answer):
            return who
        record, before = await self._stores.record(request.params["store_id"]), _before(parse_query(request))
        found = await machines.store.trail.latest_about(
            record.id, before=2**62 if before is None else before, limit=ON_A_PAGE + 1
        )
        events = [event for _, event in found[:ON_A_PAGE]]
        names = await self._names(events)
        view = ChangesView(
            **await in_store(machines, administrator(who), record),
            writes=tuple([await self._write(record.id, event, names) for event in events]),
            first_href=None if before is None else room(record.id, "changes"),
            older_href=room(record.id, "changes", before=str(found[ON_A_PAGE - 1][0]))
            if len(found) > ON_A_PAGE
            else None,
        )
        return self._pages(Page(view))

    async def _names(self, events: Iterable[Event]) -> dict[str, str]:
        """What those who wrote are called, by id."""
        store, names = self._machines.store, dict[str, str]()
        for event in events:
            if (id_ := event.actor.user) and id_ not in names:
                user = await store.users.get(id_)
                names[id_] = (user and (user.name or user.email)) or id_
            if (id_ := event.actor.client) and id_ not in names:
                client = await store.clients.get(id_)
                names[id_] = client.name if client else id_
        return names

    async def _write(self, store_id: str, event: Event, names: dict[str, str]) -> Write:
        deleted, written = (event.about.get(name, ()) for name in ("deleted", "written"))
        if isinstance(deleted, int):  # an event tells of many tuples by their number: the log of the store has them
            changes = await self._logged(store_id, event.about["revision"])
            told = deleted + written
        else:
            changes = [Change(tuple=drawn(store_id, RelationTuple(*each)), added=False) for each in deleted]
            changes += [Change(tuple=drawn(store_id, RelationTuple(*each)), added=True) for each in written]
            told = sum(
                event.about.get(f"{name}_in_all", len(event.about.get(name, ()))) for name in ("deleted", "written")
            )
        by = [names[id_] for id_ in (event.actor.user, event.actor.client) if id_]
        return Write(
            at=event.at,
            who=" through ".join(by) or "The operator, with remit apply",
            revision=event.about.get("revision"),
            words="" if changes else f"{KINDS[event.kind]}.",
            changes=tuple(changes[:SHOWN]),
            more=max(0, told - SHOWN),
        )

    async def _logged(self, store_id: str, revision: int) -> list[Change]:
        found = await self._machines.store.relations.changes(store_id, (revision - 1, LATEST), size=SHOWN)
        return [
            Change(tuple=drawn(store_id, each.tuple), added=each.operation == "write")
            for each in found
            if each.revision == revision
        ]


def _before(query: Form) -> int | None:
    text = query.get("before")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise InvalidRequest("before must be the number of an event.")
    return int(text)
