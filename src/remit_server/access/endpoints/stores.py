"""/stores: sets of tuples, each with models of its own. Stores that a manifest declares and those made here are alike."""

from __future__ import annotations

from contextlib import suppress

from remit_server.access import members as m
from remit_server.access import paging, shown
from remit_server.access.askers import ADMIN, service
from remit_server.access.members import Members, members, store_id
from remit_server.access.refusals import StoreNotFound
from remit_server.access.stores import Stores
from remit_server.runtime.machines import Machines
from remit_server.wire.form import parse_query
from remit_server.wire.http import Answer, Request, json_answer


class StoresEndpoint:
    def __init__(self, machines: Machines, stores: Stores) -> None:
        self._machines, self._stores = machines, stores

    async def __call__(self, request: Request) -> Answer:
        return await (self._create(request) if request.method == "POST" else self._list(request))

    async def _create(self, request: Request) -> Answer:
        client = await service(request, self._machines, ADMIN)
        name = (await members(request)).text("name", m.NAME)
        return json_answer(shown.store(await self._stores.create(self._machines, client, name)), 201)

    async def _list(self, request: Request) -> Answer:
        await service(request, self._machines)
        asked = Members(parse_query(request).plain())
        size = asked.size(self._machines.settings.relation_page) or paging.USUAL
        (after,) = paging.place_of(asked, "stores", 1) or ("",)
        name = asked.text("name", m.NAME, needed=False)
        found = await self._machines.store.relations.stores(after=after, size=size + 1, name=name)
        token = paging.token("stores", found[size - 1].id) if len(found) > size else ""
        return json_answer({"stores": [shown.store(one) for one in found[:size]], "continuation_token": token})


class StoreEndpoint:
    def __init__(self, machines: Machines, stores: Stores) -> None:
        self._machines, self._stores = machines, stores

    async def __call__(self, request: Request) -> Answer:
        if request.method == "DELETE":
            client = await service(request, self._machines, ADMIN)
            with suppress(StoreNotFound):  # gone is gone
                await self._stores.remove(self._machines, client, store_id(request))
            return Answer(204)
        await service(request, self._machines)
        return json_answer(shown.store(await self._stores.record(store_id(request))))
