"""GET /console/relations: the stores that say who may see what."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from remit_server.access.stores import Stores
from remit_server.errors import ProtocolError
from remit_server.records import User
from remit_server.runtime.machines import Machines
from remit_server.storage.groups.relations import RelationStore
from remit_server.ui.html import Pages
from remit_server.ui.pages.console import administrator
from remit_server.ui.pages.doorkeeper import here, sign_in_first, signed_in
from remit_server.ui.render import Page
from remit_server.ui.telling import viewer_of
from remit_server.ui.views.relations import RelationsView, StoreRow
from remit_server.wire.form import parse_query
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import Visitor, visitor

ON_A_PAGE = 20
COUNTED = 1000
"""How many tuples are counted for a list, and no more."""


class Relations:
    def __init__(self, machines: Machines, pages: Pages, stores: Stores) -> None:
        self._machines, self._pages, self._stores = machines, pages, stores

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who = await entered(request, machines)
        if isinstance(who, Answer):
            return who
        after = parse_query(request).get("after") or ""
        found = await machines.store.relations.stores(after=after, size=ON_A_PAGE + 1)
        rows = [await self._row(record) for record in found[:ON_A_PAGE]]
        view = RelationsView(
            viewer=await viewer_of(machines, administrator(who)),
            now=machines.clock.now(),
            stores=tuple(rows),
            next_href="/console/relations?" + urlencode({"after": rows[-1].id}) if len(found) > ON_A_PAGE else None,
            elsewhere=server.url if (server := machines.settings.relations_server) else None,
        )
        return self._pages(Page(view))

    async def _row(self, record: RelationStore) -> StoreRow:
        types, sound = 0, True
        if record.model_id:
            try:
                types = len((await self._stores.open(record.id)).model.types)
            except ProtocolError:  # the store's own page says what is wrong
                sound = False
        counted = await self._machines.store.relations.count(record.id, COUNTED + 1)
        return StoreRow(
            id=record.id,
            name=record.name,
            model_id=record.model_id,
            types=types,
            tuples=str(counted) if counted <= COUNTED else f"more than {COUNTED:,}",
            revision=record.revision,
            written_at=record.updated_at,
            sound=sound,
        )


async def entered(request: Request, machines: Machines) -> Visitor | Answer:
    """The administrator who asks for a page; for somebody who is not signed in, the way to sign in. Raises `Forbidden`."""
    who = await visitor(request, machines)
    if signed_in(who) is None:
        return await sign_in_first(machines, who, here(request))
    administrator(who)
    return who


async def in_store(machines: Machines, user: User, record: RelationStore) -> dict[str, Any]:
    """What every page of a store shows (`InStore`)."""
    return {
        "viewer": await viewer_of(machines, user),
        "now": machines.clock.now(),
        "store_id": record.id,
        "store_name": record.name,
    }
