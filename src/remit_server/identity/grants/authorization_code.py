"""grant_type=authorization_code: redeem a code, once (RFC 6749 section 4.1.3, RFC 7636 section 4.6)."""

from __future__ import annotations

from msgspec.structs import replace

from remit_server.errors import InvalidGrant
from remit_server.records import Client, Code
from remit_server.rules import redemption, targets
from remit_server.runtime.ids import hashed
from remit_server.runtime.machines import Machines
from remit_server.runtime.ports import Act
from remit_server.storage.contract import Lost
from remit_server.wire.grants import TokenRequest
from remit_server.wire.http import Answer
from remit_server.wire.targets import remaining
from remit_server.wire.tokens import Answered, described, hand_out, permitted


class AuthorizationCode:
    type = name = "authorization_code"

    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, asked: TokenRequest) -> Answer:
        machines, form, client = self._machines, asked.form, asked.client
        found = await machines.store.codes.get(hashed(form.need("code")))
        if found is None or found.code.client_id != client.id:
            raise InvalidGrant(detail="no such code for this client")
        code, grant, user = found
        if code.used_at is not None:
            await self._reused(code, client, asked.request.address)
        redemption.judge(
            code, redirect_uri=form.get("redirect_uri"), verifier=form.get("code_verifier"), jkt=asked.jkt,
            now=machines.clock.now(),
        )  # fmt: skip
        if user is None or grant is None or grant.revoked_at is not None:
            raise InvalidGrant(detail="the user or the agreement is gone")
        audiences = targets.narrower(targets.wanted(form.all("resource"), form.all("audience")), code.audiences)
        scopes = await remaining(machines, client, audiences, code.scopes)
        act = Act(
            kind="token", client=client, user=user, grant=grant, audiences=audiences, scopes=scopes, details=code.details
        )  # fmt: skip
        permit = await permitted(machines, act)
        known = {"auth_time": grant.auth_time, "acr": grant.acr, "amr": list(grant.amr) or None}
        access = await machines.mint.access_token(
            permit, jkt=asked.jkt, sid=grant.sid,
            claims={name: value for name, value in known.items() if value is not None},
        )  # fmt: skip
        refresh = None
        if "offline_access" in code.scopes:
            whole = await permitted(machines, replace(act, audiences=code.audiences, scopes=code.scopes))
            # A public client's refresh token is bound to the key it showed (RFC 9449 section 5).
            bound = None if client.confidential else asked.jkt
            refresh = machines.mint.refresh_token(whole, jkt=bound, sid=grant.sid, nonce=code.nonce)
        id_token = None
        if "openid" in code.scopes:
            id_token = await machines.mint.id_token(
                client, user, code.scopes, nonce=code.nonce, sid=grant.sid, auth_time=grant.auth_time, amr=grant.amr,
                acr=grant.acr, access_token=access.value,
            )  # fmt: skip
        answered = Answered(access=access, refresh=refresh, id_token=id_token)
        event = machines.event(
            "token.issued", user=user.id, client=client.id, subject=grant.id, address=asked.request.address,
            **described(answered, self.name),
        )  # fmt: skip
        try:
            taken = machines.store.codes.take(code.hash, machines.clock.now())
            return await hand_out(machines, answered, event, deciding=(taken,))
        except Lost:
            await self._reused(code, client, asked.request.address)
            raise

    async def _reused(self, code: Code, client: Client, address: str) -> None:
        """Somebody holds a copy of the code: nobody keeps what came of it (RFC 6749 section 4.1.2)."""
        machines = self._machines
        event = machines.event(
            "code.reused", user=code.user_id, client=client.id, subject=code.grant_id, address=address
        )
        try:
            revoke = machines.store.grants.revoke(
                code.grant_id, machines.clock.now(), "an authorization code was used twice"
            )
            await machines.store.commit(revoke, events=(event,))
        except Lost:
            pass  # revoked already
        raise InvalidGrant("The code was used before; what was issued for it has been revoked.")
