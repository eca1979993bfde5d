"""/stores/{store_id}/assertions/{model_id}: what should hold under a model, kept for those who test it. Nothing is checked here."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from remit_server.access import shown
from remit_server.access.askers import ADMIN, service
from remit_server.access.keys import asked_key, written_keys
from remit_server.access.members import Members, members, path_id, store_id
from remit_server.access.refusals import StoreNotFound, TooMany, TooManyAssertions
from remit_server.access.stores import Opened, Stores
from remit_server.errors import InvalidRequest
from remit_server.rules.relations import tuples
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost
from remit_server.wire.http import Answer, Request, json_answer

MOST: Final = 100
MOST_CONTEXTUAL: Final = 20
LARGEST: Final = 64_000
"""Bytes of all assertions of a model."""


class Assertions:
    def __init__(self, machines: Machines, stores: Stores) -> None:
        self._machines, self._stores = machines, stores

    async def __call__(self, request: Request) -> Answer:
        return await (self._write(request) if request.method == "PUT" else self._read(request))

    async def _read(self, request: Request) -> Answer:
        await service(request, self._machines)
        opened = await self._opened(request)
        kept = await self._machines.store.relation_models.assertions(opened.id, opened.model_id)
        return json_answer({"authorization_model_id": opened.model_id, "assertions": kept})

    async def _write(self, request: Request) -> Answer:
        client = await service(request, self._machines, ADMIN)
        given = (await members(request)).each("assertions", MOST, TooManyAssertions)
        opened = await self._opened(request)
        kept = [_assertion(one, opened) for one in given]
        if len(msgspec.json.encode(kept)) > LARGEST:
            raise TooMany(f"The assertions of a model have at most {LARGEST} bytes.")
        store, event = self._machines.store, self._machines.event(
            "access.assertions_written", client=client.id, subject=opened.id, store=opened.record.name, model=opened.model_id
        )  # fmt: skip
        try:
            await store.commit(*store.relation_models.put_assertions(opened.id, opened.model_id, kept), events=(event,))
        except Lost as lost:
            raise StoreNotFound from lost
        return Answer(204)

    async def _opened(self, request: Request) -> Opened:
        return await self._stores.open(store_id(request), path_id(request, "model_id"))


def _assertion(given: Members, opened: Opened) -> dict[str, Any]:
    key = asked_key(given)
    tuples.question(opened.model, key)
    contextual = written_keys(given.each("contextual_tuples", MOST_CONTEXTUAL))
    for brought in contextual:
        if fault := tuples.judge(opened.model, brought):
            raise InvalidRequest(str(fault))
    return {
        "tuple_key": {"object": key.object, "relation": key.relation, "user": key.subject},
        "expectation": given.flag("expectation"),
        "contextual_tuples": [shown.tuple_key(one) for one in contextual],
        "context": given.plain("context") or None,
    }
