"""POST /stores/{store_id}/read: stored tuples, page by page. It reads; it does not reason."""

from __future__ import annotations

import re
from typing import Final

from remit_server.access import members as m
from remit_server.access import paging, shown
from remit_server.access.askers import service
from remit_server.access.members import Members, members, store_id
from remit_server.access.stores import Stores
from remit_server.errors import InvalidRequest
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.runtime.machines import Machines
from remit_server.wire.http import Answer, Request, json_answer

_USER: Final = m.USER._replace(pattern=re.compile(r"[^\t\n\f\r \0]{1,511}:[^\t\n\f\r \0]{1,511}"))


class Read:
    def __init__(self, machines: Machines, stores: Stores) -> None:
        self._machines, self._stores = machines, stores

    async def __call__(self, request: Request) -> Answer:
        await service(request, self._machines)
        body = await members(request)
        size = body.size(self._machines.settings.relation_page) or paging.USUAL
        pattern, place = _pattern(body.inner("tuple_key")), paging.place_of(body, "tuples", 3)
        record = await self._stores.record(store_id(request))
        after = RelationTuple(*place) if place else None
        found = await self._machines.store.relations.read(record.id, pattern, after, size + 1)
        token = paging.token("tuples", *found[size - 1][0].key) if len(found) > size else ""
        page = [{"key": shown.tuple_key(tuple_), "timestamp": shown.time(at)} for tuple_, at in found[:size]]
        return json_answer({"tuples": page, "continuation_token": token})


def _pattern(key: Members | None) -> RelationTuple:
    """What to look for; an empty part means any. An object may be a type with its colon, for all of that type that one user
    has a relation to."""
    if key is None:
        return RelationTuple("", "", "")
    object_ = key.text("object", m.OBJECT, needed=False)
    user = key.text("user", _USER, needed=False)
    type_, colon, id_ = object_.partition(":")
    if not type_ or not colon or not (id_ or user):
        raise InvalidRequest("A tuple_key to read has an object; or a type with its colon, and a user.")
    return RelationTuple(object_, key.text("relation", m.RELATION, needed=False), user)
