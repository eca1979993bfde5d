"""POST /stores/{store_id}/check: OpenFGA's Check. Every answer is of this moment, whatever `consistency` asks for."""

from __future__ import annotations

from remit_server.access.askers import service
from remit_server.access.asking import Circumstances, asked, under
from remit_server.access.engine import Engine
from remit_server.access.members import members, store_id
from remit_server.access.stores import Stores
from remit_server.errors import InvalidRequest
from remit_server.runtime.machines import Machines
from remit_server.wire.http import Answer, Request, json_answer


class Check:
    def __init__(self, machines: Machines, stores: Stores, engine: Engine) -> None:
        self._machines, self._stores, self._engine = machines, stores, engine

    async def __call__(self, request: Request) -> Answer:
        await service(request, self._machines)
        body = await members(request)
        one, model_id = asked(body, self._machines.settings.relation_contextual), under(body)
        opened = await self._stores.open(store_id(request), model_id)
        (verdict,) = await self._engine.check(opened, [Circumstances(opened).question(one)])
        if isinstance(verdict, InvalidRequest):
            raise verdict
        return json_answer({"allowed": verdict, "resolution": ""})
