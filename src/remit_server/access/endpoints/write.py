"""POST /stores/{store_id}/write: OpenFGA's Write, all or nothing."""

from __future__ import annotations

from remit_server.access.askers import WRITE, service
from remit_server.access.asking import under
from remit_server.access.keys import written_key
from remit_server.access.members import Members, members, store_id
from remit_server.access.stores import Stores
from remit_server.access.write import Otherwise, write
from remit_server.errors import InvalidRequest
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.runtime.machines import Machines
from remit_server.wire.http import Answer, Request, json_answer


class Write:
    def __init__(self, machines: Machines, stores: Stores) -> None:
        self._machines, self._stores = machines, stores

    async def __call__(self, request: Request) -> Answer:
        client = await service(request, self._machines, WRITE)
        body = await members(request)
        writes, deletes = body.inner("writes"), body.inner("deletes")
        to_write, to_delete = _tuples(writes, conditional=True), _tuples(deletes, conditional=False)
        on_duplicate, on_missing = _otherwise(writes, "on_duplicate"), _otherwise(deletes, "on_missing")
        opened = await self._stores.open(store_id(request), under(body))
        await write(
            self._machines, opened, client, writes=to_write, deletes=to_delete, on_duplicate=on_duplicate,
            on_missing=on_missing,
        )  # fmt: skip
        return json_answer({})


def _tuples(part: Members | None, *, conditional: bool) -> list[RelationTuple]:
    if part is None:
        return []
    keys = part.each("tuple_keys")
    if not keys:
        raise InvalidRequest(f"{part.called('tuple_keys')} is empty.")
    return [written_key(key, conditional=conditional) for key in keys]


def _otherwise(part: Members | None, name: str) -> Otherwise:
    match part.words(name) if part else "":
        case "" | "error":
            return "error"
        case "ignore":
            return "ignore"
    raise InvalidRequest(f"{name} must be error or ignore.")
