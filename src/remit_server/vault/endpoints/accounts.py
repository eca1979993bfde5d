"""GET /me/v1/connected-accounts/accounts; DELETE …/accounts/{id}."""

from __future__ import annotations

from remit_server.errors import NotFound
from remit_server.runtime.machines import Machines
from remit_server.vault.disconnect import disconnect
from remit_server.vault.paging import page
from remit_server.vault.shown import shown
from remit_server.wire.bearer import person
from remit_server.wire.form import parse_query
from remit_server.wire.http import NO_STORE, Answer, Request, json_answer


class Accounts:
    """What the person has connected."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        _, user = await person(request, machines, scopes=("read:me:connected_accounts",))
        form = parse_query(request)
        wanted = form.get("connection")
        found = [
            each
            for each in await machines.store.connected_accounts.of_user(user.id)
            if each.state != "disconnected" and wanted in {None, each.connection}
        ]
        taken, more = page(form, found, lambda account: account.id)
        return json_answer({"accounts": [shown(each) for each in taken], **more})


class Account:
    """Disconnect one."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who, user = await person(request, machines, scopes=("delete:me:connected_accounts",))
        account = await machines.store.connected_accounts.get(request.params["id"], user.id)
        if account is None:
            raise NotFound(detail="no such account of this person")
        await disconnect(machines, user, account, client=who.client.id)
        return Answer(204, headers=NO_STORE)
