"""grant_type=refresh_token: rotate, once (RFC 6749 section 6, RFC 9700 section 4.14.2).

A refresh may ask for another audience than the last, as far as the client may have it without consent or the agreement
covers it; for fewer scopes, never for more.
"""

from __future__ import annotations

from msgspec.structs import replace

from remit_server.errors import InvalidGrant
from remit_server.records import Client, Grant, Token, User
from remit_server.rules import rotation, targets
from remit_server.rules import scopes as scope_rules
from remit_server.runtime.ids import hashed
from remit_server.runtime.machines import Machines
from remit_server.runtime.ports import Act
from remit_server.storage.contract import Lost, Step
from remit_server.wire.form import Form
from remit_server.wire.grants import TokenRequest
from remit_server.wire.http import Answer
from remit_server.wire.targets import own_audiences, remaining
from remit_server.wire.tokens import Answered, described, hand_out, permitted


class RefreshToken:
    type = name = "refresh_token"

    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, asked: TokenRequest) -> Answer:
        machines, client, now = self._machines, asked.client, self._machines.clock.now()
        held = await machines.store.tokens.renewable(hashed(asked.form.need("refresh_token")))
        if held is None:
            raise InvalidGrant(detail="no such refresh token")
        (token, grant, user), settings = held, machines.settings
        use = rotation.judge(
            token,
            client,
            jkt=asked.jkt,
            now=now,
            grace=settings.refresh_grace,
            grace_after=settings.refresh_grace_after,
        )
        if grant is not None and grant.revoked_at is not None:
            raise InvalidGrant("The agreement behind this refresh token was revoked.")
        if use == "race":
            raise InvalidGrant("This refresh token was used a moment ago; use the answer to that request.")
        if use == "reuse":
            await self._reused(token, client, asked.request.address)
        if user is None or grant is None:
            raise InvalidGrant(detail="the user or the agreement is gone")

        audiences, scopes = await self._narrowed(client, token, asked.form)
        scopes = await remaining(machines, client, audiences, scopes)
        # What was agreed to in detail was agreed to for the APIs of then.
        details = token.details if set(audiences) <= set(token.audiences) else ()
        family = Act(
            kind="token", client=client, user=user, grant=grant, audiences=token.audiences, scopes=token.scopes,
            details=token.details,
        )  # fmt: skip
        act = replace(family, audiences=audiences, scopes=scopes, details=details)
        permit, whole = await permitted(machines, act), await permitted(machines, family)
        access = await machines.mint.access_token(permit, jkt=asked.jkt or token.jkt, sid=token.sid)
        successor = machines.mint.refresh_token(whole, jkt=token.jkt, sid=token.sid, nonce=token.nonce)
        id_token = None
        if "openid" in scopes:
            id_token = await self._id_token(client, grant, scopes, access.value, user)
        answered = Answered(access=access, refresh=successor, id_token=id_token)
        event = machines.event(
            "token.refreshed", user=user.id, client=client.id, subject=grant.id, address=asked.request.address,
            **described(answered, self.name),
        )  # fmt: skip
        try:
            return await hand_out(
                machines, answered, event, deciding=self._deciding(use, token, successor.token.hash, now)
            )
        except Lost as error:
            if use == "rotate":
                raise InvalidGrant("This refresh token was used in this moment by another request.") from error
            await self._reused(token, client, asked.request.address)
            raise

    def _deciding(self, use: rotation.Use, token: Token, successor: str, now: int) -> tuple[Step, ...]:
        tokens = self._machines.store.tokens
        if use == "rotate":
            return (tokens.rotate(token.hash, successor, now),)
        # The reply was lost: whoever holds the first successor must not have used it, and never can.
        assert token.successor is not None, "a spent token names its successor"
        after = now - self._machines.settings.refresh_grace
        return tokens.revoke_unused(token.successor, now), tokens.answer_again(token.hash, successor, now, after)

    async def _id_token(self, client: Client, grant: Grant, scopes: tuple[str, ...], access: str, user: User) -> str:
        # OIDC Core section 12.2: no nonce, the auth_time of the original authentication.
        return await self._machines.mint.id_token(
            client,
            user,
            scopes,
            sid=grant.sid,
            auth_time=grant.auth_time,
            amr=grant.amr,
            acr=grant.acr,
            access_token=access,
        )

    async def _narrowed(self, client: Client, token: Token, form: Form) -> tuple[tuple[str, ...], tuple[str, ...]]:
        machines = self._machines
        asked = targets.wanted(form.all("resource"), form.all("audience"))
        granted = token.audiences
        own = own_audiences(machines, client)
        scopes = scope_rules.parse(form.get("scope"))
        reachable: list[str] = []
        for audience in asked:
            settled = (
                audience if audience in granted or audience in own or audience in client.apis else audience.rstrip("/")
            )
            if settled in granted:
                continue
            # The vault asks nobody beforehand: of each call it is held against what the person connected and lends.
            if settled in own and (client.first_party or settled == machines.settings.url("/vault/")):
                reachable += own[settled]
                continue
            # Another API than at sign-in: only what a first-party client has without asking the person.
            api = await machines.store.apis.get(settled)
            if api is None or not (client.first_party and api.skip_consent and settled in client.apis):
                raise InvalidGrant(f"The authorization does not cover {audience!r}.")
            reachable += client.apis[settled]
        if asked:
            granted = tuple(
                dict.fromkeys(a if a in granted or a in own or a in client.apis else a.rstrip("/") for a in asked)
            )
        if not scopes:
            identity = tuple(scope for scope in token.scopes if scope in scope_rules.IDENTITY)
            return granted, (*identity, *reachable) if reachable else token.scopes
        return granted, tuple(scope for scope in scopes if scope in token.scopes or scope in reachable)

    async def _reused(self, token: Token, client: Client, address: str) -> None:
        """The token was copied: the whole family ends (RFC 9700 section 4.14.2)."""
        machines = self._machines
        event = machines.event(
            "token.reused", user=token.user_id, client=client.id, subject=token.grant_id, address=address
        )
        try:
            revoke = machines.store.grants.revoke(
                token.grant_id or "", machines.clock.now(), "a refresh token was used twice"
            )
            await machines.store.commit(revoke, events=(event,))
        except Lost:
            pass  # revoked already
        raise InvalidGrant(
            "The refresh token was used before; everything issued for this authorization has been revoked."
        )
