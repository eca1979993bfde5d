"""GET /.well-known/jwks.json (RFC 7517 section 5)."""

from __future__ import annotations

from remit_server.runtime.machines import Machines
from remit_server.wire.http import Answer, Request, json_answer


class Jwks:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, _: Request) -> Answer:
        keys = await self._machines.keys.jwks()
        return json_answer(keys, headers=[("cache-control", "public, max-age=300")], store=True)
