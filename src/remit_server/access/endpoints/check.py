"""POST /stores/{store_id}/check: OpenFGA's Check. Every answer is of this moment, whatever `consistency` asks for."""

from __future__ import annotations

from remit_server.access.askers import service
from remit_server.access.check import allowed
from remit_server.access.keys import tuple_key, tuple_keys
from remit_server.access.refusals import TooManyTuples
from remit_server.access.stores import Stores
from remit_server.access.write import MOST
from remit_server.runtime.machines import Machines
from remit_server.wire.form import parse_json
from remit_server.wire.http import Answer, Request, json_answer


class Check:
    def __init__(self, machines: Machines, stores: Stores) -> None:
        self._machines, self._stores = machines, stores

    async def __call__(self, request: Request) -> Answer:
        await service(request, self._machines)
        body = parse_json(await request.body())
        opened = await self._stores.get(request.params["store_id"], body.get("authorization_model_id"))
        contextual = tuple_keys(body, "contextual_tuples")
        if len(contextual) > MOST:
            raise TooManyTuples(f"A request brings at most {MOST} contextual tuples.")
        asked = tuple_key(body.get("tuple_key"))
        return json_answer(
            {"allowed": await allowed(self._machines.store, opened, asked, contextual), "resolution": ""}
        )
