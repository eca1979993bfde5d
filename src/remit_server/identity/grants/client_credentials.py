"""grant_type=client_credentials: a client acts for itself (RFC 6749 section 4.4)."""

from __future__ import annotations

from remit_server.errors import UnauthorizedClient
from remit_server.runtime.machines import Machines
from remit_server.runtime.ports import Act
from remit_server.wire.grants import TokenRequest
from remit_server.wire.http import Answer
from remit_server.wire.targets import settle
from remit_server.wire.tokens import Answered, described, hand_out, permitted


class ClientCredentials:
    type = name = "client_credentials"

    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, asked: TokenRequest) -> Answer:
        machines, client = self._machines, asked.client
        if not client.confidential:
            raise UnauthorizedClient("Only a client that can keep a secret may act for itself (RFC 6749 section 4.4).")
        target = await settle(machines, client, asked.form, strict=True, user=False)
        act = Act(kind="token", client=client, audiences=target.audiences, scopes=target.scopes)
        permit = await permitted(machines, act)
        answered = Answered(access=await machines.mint.access_token(permit, jkt=asked.jkt))
        event = machines.event(
            "token.issued", client=client.id, address=asked.request.address, **described(answered, self.name)
        )
        return await hand_out(machines, answered, event)
