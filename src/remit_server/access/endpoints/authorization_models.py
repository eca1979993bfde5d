"""/stores/{store_id}/authorization-models: what the relations of a store mean. A model never changes; the newest one holds
unless a request names another."""

from __future__ import annotations

from typing import Any

from remit_server.access import paging
from remit_server.access.askers import ADMIN, service
from remit_server.access.members import Members, members, path_id, store_id
from remit_server.access.model_json import model_of
from remit_server.access.refusals import ModelNotFound
from remit_server.access.stores import Stores
from remit_server.runtime.machines import Machines
from remit_server.storage.groups.relation_models import RelationModel
from remit_server.wire.form import parse_query
from remit_server.wire.http import Answer, Request, json_answer


class AuthorizationModels:
    def __init__(self, machines: Machines, stores: Stores) -> None:
        self._machines, self._stores = machines, stores

    async def __call__(self, request: Request) -> Answer:
        return await (self._write(request) if request.method == "POST" else self._list(request))

    async def _write(self, request: Request) -> Answer:
        client = await service(request, self._machines, ADMIN)
        body = await members(request)
        record = await self._stores.record(store_id(request))
        model = model_of(body, self._machines.settings.relation_model)
        return json_answer(
            {"authorization_model_id": await self._stores.put_model(self._machines, client, record, model)}, 201
        )

    async def _list(self, request: Request) -> Answer:
        await service(request, self._machines)
        asked = Members(parse_query(request).plain())
        size = asked.size(self._machines.settings.relation_page) or paging.USUAL
        (before,) = paging.place_of(asked, "models", 1) or ("~",)
        record = await self._stores.record(store_id(request))
        found = await self._machines.store.relation_models.page(record.id, before=before, size=size + 1)
        token = paging.token("models", found[size - 1].id) if len(found) > size else ""
        return json_answer({"authorization_models": [_shown(one) for one in found[:size]], "continuation_token": token})


class AuthorizationModel:
    def __init__(self, machines: Machines, stores: Stores) -> None:
        self._machines, self._stores = machines, stores

    async def __call__(self, request: Request) -> Answer:
        await service(request, self._machines)
        model_id = path_id(request, "model_id")
        record = await self._stores.record(store_id(request))
        found = await self._machines.store.relation_models.get(record.id, model_id)
        if found is None:
            raise ModelNotFound
        return json_answer({"authorization_model": _shown(found)})


def _shown(of: RelationModel) -> dict[str, Any]:
    return {"id": of.id, **of.model}
