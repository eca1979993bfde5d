"""GET /me/v1/allowances and DELETE /me/v1/allowances/{id}: what the person has allowed ahead."""

from __future__ import annotations

from remit_server.approvals.ahead import take_back
from remit_server.approvals.shown import allowance_shown
from remit_server.approvals.standing import own
from remit_server.runtime.machines import Machines
from remit_server.wire.bearer import person
from remit_server.wire.http import NO_STORE, Answer, Request, json_answer


class Allowances:
    """All of them, those that are over included."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who, user = await person(request, machines, scopes=("read:me:allowances",))
        own(who)
        found = await machines.store.allowances.of_user(user.id)
        return json_answer({"allowances": [await allowance_shown(machines, each) for each in found]})


class Allowance:
    """One of them is taken back."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        who, user = await person(request, self._machines, scopes=("delete:me:allowances",))
        own(who)
        await take_back(self._machines, user, request.params["id"], address=request.address)
        return Answer(204, headers=NO_STORE)
