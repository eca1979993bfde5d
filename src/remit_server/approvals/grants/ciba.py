"""grant_type=urn:openid:params:grant-type:ciba (CIBA Core 1.0 section 10.1)."""

from __future__ import annotations

from remit_server.approvals.poll import Poll
from remit_server.runtime.machines import Machines
from remit_server.wire.grants import TokenRequest
from remit_server.wire.http import Answer


class Ciba:
    type = "urn:openid:params:grant-type:ciba"
    name = "ciba"

    def __init__(self, machines: Machines) -> None:
        self._poll = Poll(machines)

    async def __call__(self, asked: TokenRequest) -> Answer:
        return await self._poll(asked, asked.form.need("auth_req_id"), kind="ciba", grant=self.name)
