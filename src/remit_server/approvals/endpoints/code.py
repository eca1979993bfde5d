"""POST /oauth/device/code (RFC 8628 section 3.1)."""

from __future__ import annotations

import secrets

from remit_server.approvals.ask import Question, ask
from remit_server.errors import InvalidRequest, InvalidScope, UnauthorizedClient
from remit_server.rules import scopes, user_code
from remit_server.runtime.machines import Machines
from remit_server.wire.client_auth import authenticate
from remit_server.wire.dpop import proven_key
from remit_server.wire.form import parse_form
from remit_server.wire.http import Answer, Request, json_answer
from remit_server.wire.targets import settle


class Code:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines, settings = self._machines, self._machines.settings
        form = await parse_form(request)
        client = await authenticate(request, form, machines)
        if "device_code" not in client.grants:
            raise UnauthorizedClient("This client is not registered for the device flow.")
        if form.get("authorization_details"):
            # The person cannot see where a device stands (RFC 8628 section 5.4): what moves money is asked by CIBA.
            raise InvalidRequest("authorization_details cannot be asked for by device flow; use CIBA.")
        machines.throttle.check(f"device|{request.network}", per_minute=30, burst=30)
        target = await settle(machines, client, form)
        if scopes.ANSWER in target.scopes:
            # Whoever sends Ada a code of theirs would answer for her from then on.
            raise InvalidScope(f"The scope {scopes.ANSWER!r} cannot be asked for by device flow.")
        typed = "".join(secrets.choice(user_code.ALPHABET) for _ in range(user_code.LENGTH))
        question = Question(
            kind="device", target=target, lifetime=settings.device_code_lifetime, user_code=typed,
            jkt=await proven_key(request, machines), origin=request.address,
        )  # fmt: skip
        asked = await ask(machines, client, question)
        shown = user_code.formatted(typed)
        return json_answer(
            {
                "device_code": asked.handle,
                "user_code": shown,
                "verification_uri": settings.url("/device"),
                "verification_uri_complete": settings.url(f"/device?user_code={shown}"),
                "expires_in": settings.device_code_lifetime,
                "interval": asked.approval.interval,
            }
        )
