"""POST /oidc/register, and GET, PUT, DELETE /oidc/register/{client_id} (RFC 7591 section 3, RFC 7592 section 2)."""

from __future__ import annotations

import hmac

from remit_server.errors import InvalidClientMetadata, InvalidToken, NotFound
from remit_server.identity import register as verbs
from remit_server.rules import registration
from remit_server.runtime.ids import hashed
from remit_server.runtime.machines import Machines
from remit_server.wire.form import parse_json
from remit_server.wire.http import NO_STORE, Answer, Request, json_answer


class Register:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        settings = self._machines.settings
        if settings.registration == "off":
            raise NotFound("Clients do not register themselves here; ask an administrator.")
        self._machines.throttle.check("register", per_minute=60, burst=60)
        self._machines.throttle.check(f"register|{request.network}", per_minute=10, burst=20)
        if settings.registration == "token":
            expected = hashed(settings.registration_token or "")
            if not hmac.compare_digest(hashed(_bearer(request)), expected):
                raise InvalidToken(headers={"WWW-Authenticate": "Bearer"})
        wanted = registration.judge(parse_json(await request.body()))
        return json_answer(await verbs.register(self._machines, wanted, request.address), 201)


class Registration:
    """A registration as its own client sees it."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        client = await verbs.proven(machines, request.params["client_id"], _bearer(request))
        if request.method == "DELETE":
            await verbs.remove(machines, client, request.address)
            return Answer(204, headers=NO_STORE)
        if request.method == "PUT":
            members = parse_json(await request.body())
            if members.get("client_id") != client.id:
                raise InvalidClientMetadata("client_id must be there and be this client's (RFC 7592 section 2.2).")
            if "client_secret" in members and not verbs.holds(machines, client, members["client_secret"]):
                raise InvalidClientMetadata("client_secret is not this client's; a client does not choose its own.")
            return json_answer(await verbs.replace(machines, client, registration.judge(members), request.address))
        return json_answer(verbs.shown(machines, client))


def _bearer(request: Request) -> str:
    scheme, _, value = (request.header("authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not value:
        raise InvalidToken("A bearer token is needed.", headers={"WWW-Authenticate": "Bearer"})
    return value.strip()
