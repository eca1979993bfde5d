"""POST /stores/{store_id}/write: OpenFGA's Write, all or nothing."""

from __future__ import annotations

from typing import Any

from remit_server.access.askers import service
from remit_server.access.keys import tuple_keys
from remit_server.access.stores import Stores
from remit_server.access.write import Otherwise, write
from remit_server.errors import InvalidRequest
from remit_server.runtime.machines import Machines
from remit_server.wire.form import parse_json
from remit_server.wire.http import Answer, Request, json_answer


class Write:
    def __init__(self, machines: Machines, stores: Stores) -> None:
        self._machines, self._stores = machines, stores

    async def __call__(self, request: Request) -> Answer:
        client = await service(request, self._machines, writes=True)
        body = parse_json(await request.body())
        opened = await self._stores.get(request.params["store_id"], body.get("authorization_model_id"))
        await write(
            self._machines,
            opened,
            client,
            writes=tuple_keys(body, "writes"),
            deletes=tuple_keys(body, "deletes"),
            on_duplicate=_otherwise(body.get("writes"), "on_duplicate"),
            on_missing=_otherwise(body.get("deletes"), "on_missing"),
        )
        return json_answer({})


def _otherwise(part: Any, name: str) -> Otherwise:
    match part.get(name) if isinstance(part, dict) else None:
        case None | "" | "error":
            return "error"
        case "ignore":
            return "ignore"
    raise InvalidRequest(f"{name} is error or ignore.")
