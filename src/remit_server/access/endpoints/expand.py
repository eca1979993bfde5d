"""POST /stores/{store_id}/expand: what a relation to an object stands on, one step deep."""

from __future__ import annotations

from remit_server.access import members as m
from remit_server.access.askers import service
from remit_server.access.asking import Circumstances, under
from remit_server.access.engine import Engine
from remit_server.access.keys import contextual_keys
from remit_server.access.members import members, store_id
from remit_server.access.refusals import InvalidExpand, MissingTupleKey
from remit_server.access.stores import Stores
from remit_server.rules.relations import tuples
from remit_server.rules.relations.expand import expand
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.runtime.machines import Machines
from remit_server.wire.http import Answer, Request, json_answer


class Expand:
    def __init__(self, machines: Machines, stores: Stores, engine: Engine) -> None:
        self._machines, self._stores, self._engine = machines, stores, engine

    async def __call__(self, request: Request) -> Answer:
        await service(request, self._machines)
        body = await members(request)
        key = body.need("tuple_key", MissingTupleKey)
        object_, relation = key.text("object", m.OBJECT, needed=False), key.text("relation", m.RELATION, needed=False)
        if not object_ or not relation:
            raise InvalidExpand
        brought = contextual_keys(body, self._machines.settings.relation_contextual)
        opened = await self._stores.open(store_id(request), under(body))
        # Nobody is asked about; the object itself is a subject that any model knows.
        tuples.question(opened.model, RelationTuple(object_, relation, object_))
        contextual, _ = Circumstances(opened).of(brought, {})
        (tree,) = await self._engine.answer(opened, lambda: [expand(opened.model, object_, relation, contextual)])
        return json_answer({"tree": tree})
