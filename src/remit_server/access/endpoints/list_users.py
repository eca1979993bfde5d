"""POST /stores/{store_id}/list-users: who of one kind has a relation to an object. Where a limit cuts the answer, it says so
(`partial`) and where to go on (`continuation_token`)."""

from __future__ import annotations

from typing import Any

from remit_server.access import members as m
from remit_server.access import paging
from remit_server.access.askers import service
from remit_server.access.asking import Circumstances, under
from remit_server.access.endpoints.list_objects import defined, page
from remit_server.access.engine import Engine
from remit_server.access.keys import written_keys
from remit_server.access.members import Members, members, store_id
from remit_server.access.refusals import TypeNotFound
from remit_server.access.stores import Stores
from remit_server.errors import InvalidRequest
from remit_server.rules.relations.list_users import Sought, list_users
from remit_server.runtime.machines import Machines
from remit_server.wire.http import Answer, Request, json_answer


class ListUsers:
    def __init__(self, machines: Machines, stores: Stores, engine: Engine) -> None:
        self._machines, self._stores, self._engine = machines, stores, engine

    async def __call__(self, request: Request) -> Answer:
        await service(request, self._machines)
        body, settings = await members(request), self._machines.settings
        object_, relation, filter_ = body.need("object"), body.text("relation", m.RELATION), _filter(body)
        type_, id_ = object_.text("type", m.TYPE), object_.text("id", m.OBJECT_ID)
        kind, member = filter_.text("type", m.TYPE), filter_.text("relation", m.RELATION, needed=False)
        contextual = written_keys(body.each("contextual_tuples", settings.relation_contextual))
        size = body.size(settings.relation_results) or settings.relation_results
        context, place = body.plain("context"), paging.place_of(body, "users", 1)
        opened = await self._stores.open(store_id(request), under(body))
        circumstances = Circumstances(opened, lists=True).of(contextual, context)
        if member:
            defined(opened, kind, member)
        elif kind not in opened.model.types:
            raise TypeNotFound(f"The model does not define the type {kind}.")
        defined(opened, type_, relation)
        sought = Sought(f"{type_}:{id_}", relation, f"{kind}#{member}" if member else kind, *circumstances)
        (listed,) = await self._engine.answer(opened, lambda: [list_users(opened.model, sought)])
        answer = page("users", sorted(listed.found), listed.partial, size, place)
        return json_answer(answer | {"users": [_shown(user) for user in answer["users"]]})


def _filter(body: Members) -> Members:
    filters = body.each("user_filters")
    if len(filters) != 1:
        raise InvalidRequest("user_filters must have exactly one filter.")
    return filters[0]


def _shown(user: str) -> dict[str, Any]:
    type_, _, rest = user.partition(":")
    id_, _, relation = rest.partition("#")
    if relation:
        return {"userset": {"type": type_, "id": id_, "relation": relation}}
    return {"wildcard": {"type": type_}} if id_ == "*" else {"object": {"type": type_, "id": id_}}
