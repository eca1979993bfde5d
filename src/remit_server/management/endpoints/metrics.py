"""GET /metrics: for Prometheus. With `metrics_token`, who brings it may read; without, this machine only.

"This machine" is a peer on loopback that asks for a loopback name. A proxy on the same machine passes another name on, or
says for whom it asks, and is refused: so that nothing becomes public because a proxy was put in front.
"""

from __future__ import annotations

import hmac
from typing import Final

from remit_server.config import is_loopback
from remit_server.errors import NotFound
from remit_server.runtime import metrics
from remit_server.runtime.machines import Machines
from remit_server.wire.http import NO_STORE, Answer, Request

_PASSED_ON: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


class Metrics:
    def __init__(self, machines: Machines) -> None:
        self._token = machines.settings.metrics_token

    async def __call__(self, request: Request) -> Answer:
        if not self._may_read(request):
            raise NotFound
        return Answer(200, metrics.exposed(), (("content-type", metrics.CONTENT_TYPE), *NO_STORE))

    def _may_read(self, request: Request) -> bool:
        if self._token is not None:
            given = request.header("authorization") or ""
            return hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode())
        host = (request.header("host") or "").rpartition("@")[2]
        name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
        passed_on = any(request.headers(header) for header in _PASSED_ON)
        return is_loopback(request.address) and is_loopback(name) and not passed_on
