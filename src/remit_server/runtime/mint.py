"""Tokens are made here and nowhere else, and only from a `Permit`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from remit_server.config import Settings
from remit_server.errors import InvalidRequest
from remit_server.records import Api, Client, Token, User
from remit_server.rules.scopes import claims_of
from remit_server.runtime.clock import Clock
from remit_server.runtime.ids import base64url, hashed, new_id, new_secret
from remit_server.runtime.ports import Act, Issued, Permit
from remit_server.runtime.signing import KeyRing
from remit_server.storage.store import Store


class Mint:
    def __init__(self, settings: Settings, clock: Clock, keys: KeyRing, store: Store) -> None:
        self._settings, self._clock, self._keys, self._store = settings, clock, keys, store

    async def access_token(
        self,
        permit: Permit,
        *,
        jkt: str | None = None,
        sid: str | None = None,
        not_after: int | None = None,
        claims: Mapping[str, Any] | None = None,
    ) -> Issued:
        """A JWT access token (RFC 9068) for exactly what was permitted.

        `not_after` (seconds since the epoch) caps its life, for tokens that hang on another; `claims` are further members,
        such as `auth_time` and `acr`.
        """
        act, now = permit.act, self._clock.now()
        apis = [api for audience in act.audiences if (api := await self._store.apis.get(audience))]
        strict = next((api for api in apis if api.sender_constrained), None)
        if strict and jkt is None:
            raise InvalidRequest(
                f"{strict.name} takes only tokens that are bound to a DPoP key (RFC 9449): send a proof."
            )
        audiences = self._audiences(act, apis)
        lifetime = min((api.lifetime for api in apis), default=self._settings.access_token_lifetime)
        expires_at = min(now + lifetime, not_after or now + lifetime)
        subject = act.user.id if act.user else f"{act.client.id}@clients"
        jti = new_id()
        body: dict[str, Any] = {
            "iss": self._settings.issuer,
            "sub": subject,
            "aud": audiences[0] if len(audiences) == 1 else list(audiences),
            "client_id": act.client.id,
            "azp": act.client.id,
            "iat": now,
            "exp": expires_at,
            "jti": jti,
            "scope": " ".join(act.scopes),
        }
        if act.details:
            body["authorization_details"] = list(act.details)
        if act.actors:
            body["act"] = nested(act.actors)
        if jkt:
            body["cnf"] = {"jkt": jkt}
        if sid:
            body["sid"] = sid
        if claims:
            body.update(claims)
        signer = await self._keys.signer(apis[0].alg if apis else self._settings.signing_alg)
        value = signer.sign("at+jwt", body)
        token = Token(
            hash=hashed(value), kind="access", jti=jti, client_id=act.client.id, user_id=act.user.id if act.user else None,
            grant_id=act.grant.id if act.grant else None, scopes=act.scopes, audiences=audiences, details=act.details,
            actors=act.actors, jkt=jkt, sid=sid, created_at=now, expires_at=expires_at,
        )  # fmt: skip
        return Issued(value=value, token=token)

    def _audiences(self, act: Act, apis: Sequence[Api]) -> tuple[str, ...]:
        """Those that were permitted. With `openid`, userinfo is one beside an API of the organisation, as SDKs expect; a token
        for no API in particular is for userinfo alone."""
        userinfo = self._settings.url("/userinfo")
        if not act.audiences or (apis and act.user and "openid" in act.scopes):
            return tuple(dict.fromkeys((*act.audiences, userinfo)))
        return act.audiences

    def refresh_token(
        self, permit: Permit, *, jkt: str | None = None, sid: str | None = None, nonce: str | None = None
    ) -> Issued:
        """An opaque refresh token; what it may ask for is what was permitted."""
        act, now, value = permit.act, self._clock.now(), new_secret()
        assert act.grant is not None, "what can be renewed hangs on an agreement"
        token = Token(
            hash=hashed(value), kind="refresh", jti=new_id(), client_id=act.client.id,
            user_id=act.user.id if act.user else None, grant_id=act.grant.id, scopes=act.scopes, audiences=act.audiences,
            details=act.details, actors=act.actors, jkt=jkt, sid=sid, nonce=nonce, created_at=now,
            expires_at=now + self._settings.refresh_token_lifetime,
        )  # fmt: skip
        return Issued(value=value, token=token)

    async def id_token(
        self,
        client: Client,
        user: User,
        scopes: tuple[str, ...],
        *,
        nonce: str | None = None,
        sid: str | None = None,
        auth_time: int | None = None,
        amr: tuple[str, ...] = (),
        acr: str | None = None,
        access_token: str | None = None,
        claims: Mapping[str, Any] | None = None,
    ) -> str:
        """An ID token (OIDC Core section 2)."""
        now = self._clock.now()
        body: dict[str, Any] = {
            "iss": self._settings.issuer,
            "sub": user.id,
            "aud": client.id,
            "iat": now,
            "exp": now + self._settings.id_token_lifetime,
        }
        optional = {"nonce": nonce, "sid": sid, "auth_time": auth_time, "amr": list(amr) or None, "acr": acr}
        body.update({name: value for name, value in optional.items() if value is not None})
        if access_token:
            body["at_hash"] = half_hash(access_token)
        body.update(claims_of(user, scopes))
        if claims:
            body.update(claims)
        return (await self._keys.signer(self._settings.signing_alg)).sign("JWT", body)

    async def logout_token(self, client: Client, user_id: str, sid: str | None) -> str:
        """A logout token (OIDC Back-Channel Logout 1.0 section 2.4)."""
        now = self._clock.now()
        body: dict[str, Any] = {
            "iss": self._settings.issuer,
            "aud": client.id,
            "iat": now,
            "exp": now + 120,
            "jti": new_id(),
            "sub": user_id,
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        }
        if sid:
            body["sid"] = sid
        return (await self._keys.signer(self._settings.signing_alg)).sign("logout+jwt", body)


def nested(actors: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """The `act` claim: the newest actor outermost, those before it inside (RFC 8693 section 4.1)."""
    claim: dict[str, Any] = {}
    for actor in reversed(actors):
        claim = {**actor, "act": claim} if claim else dict(actor)
    return claim


def half_hash(value: str) -> str:
    """Left half of the SHA-256, as at_hash and c_hash want it (OIDC Core section 3.1.3.6)."""
    return base64url(bytes.fromhex(hashed(value))[:16])
