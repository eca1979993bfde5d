"""GET and POST /authorize (RFC 6749 section 3.1, OIDC Core section 3.1.2.1)."""

from __future__ import annotations

from msgspec.structs import replace

from remit_server.errors import InvalidRequest, InvalidRequestUri, ProtocolError
from remit_server.identity.advance import Advance
from remit_server.identity.deliver import Deliver, error_parameters
from remit_server.identity.request import judged, single
from remit_server.records import Client, PushedRequest
from remit_server.rules.authorization import client_named, pushed_reference, way_back
from remit_server.runtime.ids import hashed
from remit_server.runtime.machines import Machines
from remit_server.wire.form import Form, parse_form, parse_query
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import remembering, visitor


class Authorize:
    def __init__(self, machines: Machines, deliver: Deliver) -> None:
        self._machines, self._deliver = machines, deliver
        self._advance = Advance(machines, deliver)

    async def __call__(self, request: Request) -> Answer:
        """Refusals raised here are shown to the person; from `way_back` on they are sent to the client."""
        machines = self._machines
        form = await parse_form(request) if request.method == "POST" else parse_query(request)
        client = await self._client(form)
        pushed = await self._pushed(form, client)
        if pushed:
            form = Form(_pairs(pushed))
        back = way_back(single(form), client)
        try:
            asked = await judged(machines, form, client, back, "pushed" if pushed else "authorize")
        except ProtocolError as error:
            if not error.may_redirect:
                raise
            return self._deliver(back, error_parameters(error))
        if pushed:
            asked = replace(asked, pushed=pushed.hash, dpop_jkt=pushed.dpop_jkt or asked.dpop_jkt)
        who = await visitor(request, machines)
        return remembering(await self._advance(asked, who), who, machines)

    async def _client(self, form: Form) -> Client:
        client_id = form.get("client_id")
        if client_id is None:
            raise InvalidRequest("The app that sent you here did not say who it is (client_id).")
        return client_named(await self._machines.store.clients.get(client_id))

    async def _pushed(self, form: Form, client: Client) -> PushedRequest | None:
        """The pushed request that is meant, which only its client can use. It is taken when the authorization completes."""
        request_uri = form.get("request_uri")
        if request_uri is None:
            return None
        pushed = await self._machines.store.pushed_requests.get(hashed(pushed_reference(request_uri)))
        if pushed is None or pushed.client_id != client.id:
            raise InvalidRequestUri(detail="unknown, or another client's")
        if pushed.used_at is not None or pushed.expires_at <= self._machines.clock.now():
            raise InvalidRequestUri(detail="used or expired")
        return pushed


def _pairs(pushed: PushedRequest) -> list[tuple[str, str]]:
    return [
        (name, str(item))
        for name, value in pushed.parameters.items()
        for item in (value if isinstance(value, list) else [value])
    ]
