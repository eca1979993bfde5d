"""grant_type=urn:ietf:params:oauth:grant-type:device_code (RFC 8628 section 3.4)."""

from __future__ import annotations

from remit_server.approvals.poll import Poll
from remit_server.runtime.machines import Machines
from remit_server.wire.grants import TokenRequest
from remit_server.wire.http import Answer


class DeviceCode:
    type = "urn:ietf:params:oauth:grant-type:device_code"
    name = "device_code"

    def __init__(self, machines: Machines) -> None:
        self._poll = Poll(machines)

    async def __call__(self, asked: TokenRequest) -> Answer:
        return await self._poll(asked, asked.form.need("device_code"), kind="device", grant=self.name)
