"""POST /oauth/introspect (RFC 7662), signed on demand (RFC 9701)."""

from __future__ import annotations

from typing import Any

from remit_server.errors import UnauthorizedClient
from remit_server.rules import introspection
from remit_server.runtime.machines import Machines
from remit_server.runtime.mint import nested
from remit_server.runtime.verify import Dead
from remit_server.wire.client_auth import authenticate
from remit_server.wire.form import parse_form
from remit_server.wire.http import NO_STORE, Answer, Request, json_answer

SIGNED = "application/token-introspection+jwt"


class Introspect:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        form = await parse_form(request)
        caller = await authenticate(request, form, machines)
        if not caller.confidential:
            raise UnauthorizedClient("Only a client that can keep a secret may introspect (RFC 7662 section 4).")
        live = await machines.verify(form.need("token"))
        if isinstance(live, Dead) or not live.person_is_active or not introspection.may_see(caller, live.token):
            seen = introspection.INACTIVE
        else:
            act = nested(live.token.actors) if live.token.actors else None
            seen = introspection.shown(live.token, machines.settings.issuer, act=act)
        if SIGNED in (request.header("accept") or ""):
            return await self._signed(seen, caller.id)
        return json_answer(seen)

    async def _signed(self, seen: dict[str, Any], audience: str) -> Answer:
        machines = self._machines
        signer = await machines.keys.signer(machines.settings.signing_alg)
        claims = {
            "iss": machines.settings.issuer,
            "aud": audience,
            "iat": machines.clock.now(),
            "token_introspection": seen,
        }
        return Answer(
            200, signer.sign("token-introspection+jwt", claims).encode(), (("content-type", SIGNED), *NO_STORE)
        )
