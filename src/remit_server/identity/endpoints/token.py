"""POST /oauth/token (RFC 6749 section 3.2)."""

from __future__ import annotations

from collections.abc import Iterable

from remit_server.errors import InvalidRequest, UnauthorizedClient, UnsupportedGrantType
from remit_server.runtime.machines import Machines
from remit_server.wire.client_auth import authenticate
from remit_server.wire.dpop import fresh_nonce, proven_key
from remit_server.wire.form import parse_form
from remit_server.wire.grants import Grant, TokenRequest
from remit_server.wire.http import Answer, Request


class Token:
    def __init__(self, machines: Machines, grants: Iterable[Grant]) -> None:
        self._machines = machines
        self._grants = {grant.type: grant for grant in grants}

    async def __call__(self, request: Request) -> Answer:
        form = await parse_form(request)
        client = await authenticate(request, form, self._machines)
        grant_type = form.need("grant_type")
        grant = self._grants.get(grant_type)
        if grant is None:
            raise UnsupportedGrantType
        if grant.name not in client.grants:
            raise UnauthorizedClient(f"This client is not registered for the grant {grant.name}.")
        jkt = await proven_key(request, self._machines)
        if jkt is None and client.dpop_bound:
            raise InvalidRequest("This client must prove a DPoP key (RFC 9449 section 5.2).")
        answer = await grant(TokenRequest(request, form, client, jkt))
        if jkt and self._machines.settings.dpop_nonces:
            answer = answer.adding(("dpop-nonce", fresh_nonce(self._machines)))
        return answer
