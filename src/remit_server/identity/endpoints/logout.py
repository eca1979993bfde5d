"""GET and POST /oidc/logout (OIDC RP-Initiated Logout 1.0), and GET /v2/logout as other products have it."""

from __future__ import annotations

from remit_server.errors import InvalidRequest
from remit_server.identity import errands
from remit_server.identity.advance import see_other
from remit_server.identity.sign_out import DONE, sign_out
from remit_server.records import Client
from remit_server.rules import leaving
from remit_server.runtime.machines import Machines
from remit_server.wire.form import Form, parse_form, parse_query
from remit_server.wire.hints import claims_of_hint
from remit_server.wire.http import Answer, Request
from remit_server.wire.visitor import remembering, visitor


class Logout:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        """With a hint that names the very session of this browser, at once; otherwise the person is asked."""
        machines = self._machines
        form = await parse_form(request) if request.method == "POST" else parse_query(request)
        hint = form.get("id_token_hint")
        claims = await claims_of_hint(machines, hint) if hint else {}
        client = await self._client(form, claims)
        target = leaving.target(
            client, form.get("post_logout_redirect_uri"), state=form.get("state"), name="post_logout_redirect_uri"
        )
        who = await visitor(request, machines)
        if who.session is None or leaving.is_about(claims, who.session):
            return see_other(target or DONE).adding(await sign_out(machines, who))
        resume = await errands.begin(
            machines, who, "sign_out", {"target": target}, client_id=client.id if client else None
        )
        return remembering(see_other(f"/logout?resume={resume}"), who, machines)

    async def _client(self, form: Form, claims: dict[str, object]) -> Client | None:
        audience = claims.get("aud")
        client_id = form.get("client_id") or (audience if isinstance(audience, str) else None)
        if client_id is None:
            return None
        if audience is not None and audience != client_id:
            raise InvalidRequest("The id_token_hint was issued to another client.")
        client = await self._machines.store.clients.get(client_id)
        if client is None:
            raise InvalidRequest("The app that sent you here is not registered at this server.")
        return client


class PlainLogout:
    """GET /v2/logout?client_id&returnTo: signs out without a question, as the SDKs that use it expect."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        form = parse_query(request)
        client_id = form.get("client_id")
        client = await self._machines.store.clients.get(client_id) if client_id else None
        target = leaving.target(client, form.get("returnTo"), state=None, name="returnTo")
        who = await visitor(request, self._machines)
        return see_other(target or DONE).adding(await sign_out(self._machines, who))
