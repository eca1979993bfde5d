"""POST /approvals/reply: the agent replies to what the person asked back."""

from __future__ import annotations

from remit_server.approvals.asking_back import reply
from remit_server.errors import ExpiredToken, InvalidGrant
from remit_server.rules import thread
from remit_server.runtime.ids import hashed
from remit_server.runtime.machines import Machines
from remit_server.wire.client_auth import authenticate
from remit_server.wire.dpop import proven_key
from remit_server.wire.form import parse_form
from remit_server.wire.http import Answer, Request, json_answer


class Reply:
    """Whoever may poll a request may reply for it: the same client, with the same key where it is bound to one."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        form = await parse_form(request)
        client = await authenticate(request, form, machines)
        approval = await machines.store.approvals.by_handle(hashed(form.need("auth_req_id")))
        if approval is None or approval.kind != "ciba" or approval.client_id != client.id:
            raise InvalidGrant(detail="no such request of this client")
        if approval.jkt is not None and approval.jkt != await proven_key(request, machines):
            raise InvalidGrant("The request is bound to another DPoP key.")
        now = machines.clock.now()
        if thread.question(approval) is not None and now >= approval.expires_at:
            raise ExpiredToken
        replied = await reply(machines, approval, form.get("text"), address=request.address)
        return json_answer({"expires_in": replied.expires_at - now, "interval": replied.interval})
