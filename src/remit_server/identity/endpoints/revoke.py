"""POST /oauth/revoke (RFC 7009)."""

from __future__ import annotations

from contextlib import suppress

from remit_server.errors import InvalidRequest
from remit_server.runtime.ids import hashed
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost
from remit_server.wire.client_auth import authenticate
from remit_server.wire.form import parse_form
from remit_server.wire.http import Answer, Request, json_answer


class Revoke:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer:
        """200 for a token that is revoked, was revoked, or never was (section 2.2). The type hint is not needed."""
        machines, store, now = self._machines, self._machines.store, self._machines.clock.now()
        form = await parse_form(request)
        client = await authenticate(request, form, machines)
        held = await store.tokens.held(hashed(form.need("token")))
        if held is None:
            return json_answer({})
        token = held.token
        if token.client_id != client.id:
            raise InvalidRequest("This token was not issued to this client (RFC 7009 section 2.1).")
        event = machines.event(
            "token.revoked", user=token.user_id, client=client.id, subject=token.grant_id, address=request.address,
            token_kind=token.kind, jti=token.jti,
        )  # fmt: skip
        # A refresh token stands for the whole agreement: all that was issued under it ends with it (section 2.1).
        if token.kind == "refresh" and token.grant_id:
            step = store.grants.revoke(token.grant_id, now, "the client revoked its refresh token")
        else:
            step = store.tokens.revoke(token.hash, now)
        with suppress(Lost):  # revoked before
            await store.commit(step, events=(event,))
        return json_answer({})
