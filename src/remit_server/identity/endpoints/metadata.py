"""GET /.well-known/openid-configuration and /.well-known/oauth-authorization-server."""

from __future__ import annotations

from collections.abc import Iterable

from remit_server.rules.metadata import describe
from remit_server.runtime.machines import Machines
from remit_server.wire.details import known_types
from remit_server.wire.http import Answer, Request, json_answer


class Metadata:
    def __init__(self, machines: Machines, grant_types: Iterable[str]) -> None:
        self._machines = machines
        self._grant_types = tuple(grant_types)

    async def __call__(self, _: Request) -> Answer:
        machines = self._machines
        undescribed = {name for api in await machines.store.apis.all() for name in api.undescribed_details}
        detail_types = sorted(undescribed | (await known_types(machines)).keys())
        document = describe(machines.settings, grant_types=self._grant_types, detail_types=detail_types)
        return json_answer(document, headers=[("cache-control", "public, max-age=300")], store=True)
