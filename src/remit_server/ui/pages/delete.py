"""POST /console/relations/{store_id}/tuples/delete: from now on this tuple gives nobody anything."""

from __future__ import annotations

from remit_server.access.stores import Stores
from remit_server.access.write import write
from remit_server.errors import ProtocolError
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.runtime.machines import Machines
from remit_server.ui.pages.console import administrator
from remit_server.ui.pages.doorkeeper import posted
from remit_server.ui.pages.tuples import Search, TuplesPage
from remit_server.ui.relating import room
from remit_server.wire.http import Answer, Request


class DeleteTuple:
    def __init__(self, machines: Machines, page: TuplesPage, stores: Stores) -> None:
        self._machines, self._page, self._stores = machines, page, stores

    async def __call__(self, request: Request) -> Answer:
        store_id = request.params["store_id"]
        sent = await posted(request, self._machines, back=room(store_id, "tuples"))
        if isinstance(sent, Answer):
            return sent
        by, form = administrator(sent.who), sent.form
        record, search = await self._stores.record(store_id), Search.of(form, "filter.")
        tuple_ = RelationTuple(form.need("object"), form.need("relation"), form.need("user"))
        try:
            opened = await self._stores.open(store_id)
            await write(self._machines, opened, by, deletes=(tuple_,), address=request.address)
        except ProtocolError as error:
            return await self._page.page(sent.who, record, search, error=error.text, status=error.status)
        done = f"Deleted: {tuple_.subject} has no longer {tuple_.relation} of {tuple_.object} by a tuple of its own."
        return await self._page.page(sent.who, record, search, done=done)
