"""GET /readyz: requests may be sent here. Migrations ran before the process listened; the rest is looked at each time."""

from __future__ import annotations

from remit_server.errors import RemitError
from remit_server.runtime.machines import Machines
from remit_server.wire.http import Answer, Request, json_answer


class Readyz:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        del request
        checks = {"database": await self._database(), "keys": await self._keys()}
        ready = all(checks.values())
        words = {name: "ok" if good else "failing" for name, good in checks.items()}
        return json_answer({"status": "ready" if ready else "not ready", "checks": words}, 200 if ready else 503)

    async def _database(self) -> bool:
        """It answers a question that no cache can."""
        try:
            await self._machines.store.once.attempts("readyz", self._machines.clock.now())
        except (RemitError, OSError):
            return False
        return True

    async def _keys(self) -> bool:
        try:
            return bool((await self._machines.keys.jwks())["keys"])
        except RemitError:
            return False
