"""POST /oauth/par: an authorization request, pushed before the browser leaves (RFC 9126)."""

from __future__ import annotations

from remit_server.errors import InvalidRedirectUri, InvalidRequest
from remit_server.identity.request import judged, single
from remit_server.records import PushedRequest
from remit_server.rules.authorization import PUSHED, way_back
from remit_server.runtime.ids import hashed, new_secret
from remit_server.runtime.machines import Machines
from remit_server.wire.client_auth import authenticate
from remit_server.wire.dpop import proven_key
from remit_server.wire.form import parse_form
from remit_server.wire.http import Answer, Request, json_answer

CREDENTIALS = frozenset({"client_secret", "client_assertion", "client_assertion_type"})
"""What proves the client is not kept."""


class Par:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines, now = self._machines, self._machines.clock.now()
        form = await parse_form(request)
        client = await authenticate(request, form, machines)
        jkt = await proven_key(request, machines)
        if jkt and form.get("dpop_jkt") not in {None, jkt}:
            raise InvalidRequest("dpop_jkt is not the key of the DPoP proof (RFC 9449 section 10.1).")
        try:
            back = way_back(single(form), client)
        except InvalidRedirectUri as error:
            raise InvalidRequest("redirect_uri is missing, or not one that is registered for this client.") from error
        asked = await judged(machines, form, client, back, "par")
        reference, lifetime = new_secret(), machines.settings.pushed_request_lifetime
        parameters = {name: value for name, value in form.plain().items() if name not in CREDENTIALS}
        pushed = PushedRequest(
            hash=hashed(reference), client_id=client.id, parameters=parameters, dpop_jkt=jkt, created_at=now,
            expires_at=now + lifetime,
        )  # fmt: skip
        event = machines.event(
            "request.pushed", client=client.id, address=request.address, scope=" ".join(asked.scopes),
            aud=list(asked.audiences), details=list(asked.details),
        )  # fmt: skip
        await machines.store.commit(machines.store.pushed_requests.add(pushed), events=(event,))
        return json_answer({"request_uri": PUSHED + reference, "expires_in": lifetime}, 201)
