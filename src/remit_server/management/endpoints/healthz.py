"""GET /healthz: the process answers. Orchestrators restart it when it does not."""

from __future__ import annotations

from remit_server.wire.http import Answer, Request, json_answer


class Healthz:
    async def __call__(self, request: Request) -> Answer:
        del request
        return json_answer({"status": "ok"})
