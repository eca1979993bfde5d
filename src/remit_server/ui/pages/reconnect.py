"""POST /accounts/{id}/reconnect: mend an account in its place."""

from __future__ import annotations

from remit_server.identity.advance import see_other
from remit_server.records.connection import ORGANISATION
from remit_server.runtime.machines import Machines
from remit_server.ui.pages.doorkeeper import posted
from remit_server.vault import accounts, connect
from remit_server.wire.http import Answer, Request


class Reconnect:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        sent = await posted(request, machines, back="/accounts")
        if isinstance(sent, Answer):
            return sent
        machines.throttle.check(f"connect|{sent.user.id}", per_minute=10, burst=20)
        account = await accounts.changeable(machines, sent.user, request.params["id"])
        begun = await connect.begin(
            machines, sent.user, account.connection, scopes=account.scopes, account=account,
            shared=account.user_id == ORGANISATION,
        )  # fmt: skip
        return see_other(f"/connect?ticket={begun.ticket}")
