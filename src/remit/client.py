"""The one object that an agent keeps."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Literal

import httpx2

from . import sign_in
from .approvals import Approval
from .caller import Caller
from .clock import SYSTEM, Clock
from .credential import ClientSecret, Credential, PrivateKey, Public
from .dpop import ProofKey
from .errors import Misconfigured
from .issuer import Issuer
from .requests import Requests
from .server import OAuthRefusal, Server
from .session import Rotated, Session
from .sign_in import SignIn
from .sync import Sync
from .tokens import Token
from .transport import Transport
from .user import User


class Client:
    """An agent's connection to Remit. Make one per process and share it; it is async, and ``sync`` serves the rest.

    Args:
        url: the issuer, byte for byte as the server states it, final slash included. Default: ``REMIT_URL``.
        client_id: default: ``REMIT_CLIENT_ID``.
        credential: a client secret, a ``PrivateKey``, or None for a public client. Default: ``REMIT_CLIENT_SECRET``, or
            ``REMIT_PRIVATE_KEY`` with a PEM or a JWK.
        audience: the identifier of the API that this agent is, if users' tokens are issued for it. ``on_behalf_of``
            otherwise takes only tokens that were issued to this client.
        dpop: how tokens are bound to a key, so that a stolen one is worthless: ``"client"`` makes one key for all users,
            ``"user"`` one for each, a ``ProofKey`` outlives the process, ``"off"`` uses Bearer tokens.
        http: an ``httpx2.AsyncClient`` of your own, say with a private CA. It stays yours to close.
        clock: for tests.

    Raises:
        Misconfigured: something is missing, contradicts itself, or would send secrets in clear.
    """

    def __init__(
        self,
        url: str | None = None,
        client_id: str | None = None,
        credential: str | PrivateKey | None = None,
        *,
        audience: str | None = None,
        dpop: Literal["client", "user", "off"] | ProofKey = "client",
        http: httpx2.AsyncClient | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        self._transport = Transport(http)
        self._server = Server(
            Issuer(url or _setting("REMIT_URL"), self._transport, clock),
            self._transport,
            client_id=client_id or _setting("REMIT_CLIENT_ID"),
            credential=_credential(credential),
            clock=clock,
        )
        self._audience = audience
        self._key_each = dpop == "user"
        self._key = dpop if isinstance(dpop, ProofKey) else ProofKey.generate() if dpop == "client" else None
        self._requests = Requests(clock)

    @property
    def sync(self) -> Sync:
        """Runs any of this client's calls from code that has no event loop: ``client.sync(me.token("calendar"))``."""
        return self._transport.sync

    async def device_sign_in(
        self, *, scope: str = "", audience: str | None = None, on_rotate: Rotated | None = None
    ) -> SignIn:
        """Let a person sign in from a terminal: show ``prompt.verification_uri_complete``, then ``await prompt``.

        Args:
            scope: what the agent asks for, space-separated; ``openid`` is added. ``offline_access`` lets it renew.
            audience: the API that the access token is for.
            on_rotate: is given each new refresh token, to keep it for ``on_behalf_of(refresh_token=...)``.

        Raises:
            NotAllowed, Misconfigured, Unavailable: as the server answers.
        """
        return await sign_in.start(
            self._server,
            scope=scope,
            audience=audience,
            key=self._user_key(),
            on_rotate=on_rotate,
            make=self._user,
        )

    async def on_behalf_of(
        self,
        user_token: str | Caller | None = None,
        *,
        refresh_token: str | None = None,
        on_rotate: Rotated | None = None,
    ) -> User:
        """Act for the user whose token this is. It is verified first: its signature, its time, and that it is meant for us.

        Args:
            user_token: an access token, or the ``Caller`` that a ``Verifier`` made of one.
            refresh_token: instead, or beside it. Renews the access token, and stands for the user at the vault.
            on_rotate: is given each new refresh token as it replaces the last, to be stored.

        Raises:
            SignInRequired: the token does not hold, or has ended.
            NotAllowed: it is good, and was meant for somebody else.
            Unavailable: the server's keys cannot be had.
        """
        if user_token is None:
            if refresh_token is None:
                raise TypeError("on_behalf_of needs a user_token or a refresh_token")
            return await self._resume(refresh_token, on_rotate)
        if isinstance(user_token, Caller):
            claims: Mapping[str, Any] = user_token.claims
            value = user_token.token.reveal()
        else:
            claims = await sign_in.recognise(self._server, user_token, self._audience)
            value = user_token
        stated, ends = claims.get("scope"), claims.get("exp")
        key = self._user_key()
        token = Token(
            value,
            scopes=stated.split() if isinstance(stated, str) else (),
            expires_at=int(ends) if isinstance(ends, int | float) else None,
            key=key if _bound_to(claims, key) else None,
            clock=self._server.clock,
        )
        session = Session(self._server, key=key, access=token, refresh=refresh_token, on_rotate=on_rotate)
        return self._user(session, claims, token.scopes)

    def for_user(self, sub: str) -> User:
        """A user who is not here: a background agent may ask them for approval, and check what they may see."""
        if not sub:
            raise ValueError("a user has a sub")
        session = Session(self._server, key=self._user_key())
        return User(sub, None, frozenset(), self._server.client_id, session, self._requests)

    def approval(self, approval_id: str) -> Approval:
        """Take up a request again, by its ``id``, in this process or in another one of the same client.

        Tokens bound to a key need the same key: pass a saved ``ProofKey`` as ``dpop``.
        """
        return self._requests.known(approval_id) or self._requests.keep(
            Approval(self._server, approval_id, key=self._user_key())
        )

    async def aclose(self) -> None:
        """Close the connections. A client that was used through ``sync`` is closed with ``close()``."""
        await self._transport.aclose()

    def close(self) -> None:
        """Close the connections and the thread of a client that was used through ``sync``."""
        self.sync(self.aclose())
        self.sync.close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"Client({self._server.issuer.identifier!r}, client_id={self._server.client_id!r})"

    async def _resume(self, refresh_token: str, on_rotate: Rotated | None) -> User:
        key = self._user_key()
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        answer = await self._server.post("token_endpoint", form, key=key)
        if isinstance(answer, OAuthRefusal):
            raise answer.as_error()
        renewed = answer.get("refresh_token")
        if on_rotate is not None and isinstance(renewed, str) and renewed != refresh_token:
            await on_rotate(renewed)
        token = self._server.token(answer, key)
        kept = {"refresh_token": refresh_token, **answer}
        return await sign_in.user_of(self._server, kept, token, key=key, on_rotate=on_rotate, make=self._user)

    def _user(self, session: Session, claims: Mapping[str, Any], scopes: frozenset[str]) -> User:
        name = claims.get("name")
        return User(
            sub=claims["sub"],
            name=name if isinstance(name, str) else None,
            scopes=scopes,
            agent=self._server.client_id,
            _session=session,
            _requests=self._requests,
        )

    def _user_key(self) -> ProofKey | None:
        return ProofKey.generate() if self._key_each else self._key


def _bound_to(claims: Mapping[str, Any], key: ProofKey | None) -> bool:
    cnf = claims.get("cnf")
    return key is not None and isinstance(cnf, Mapping) and cnf.get("jkt") == key.thumbprint


def _setting(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise Misconfigured(f"{name} is not set, and was not passed to Client")
    return value


def _credential(given: str | PrivateKey | None) -> Credential:
    if isinstance(given, PrivateKey):
        return given
    if given is not None:
        return ClientSecret(given)
    secret, key = os.environ.get("REMIT_CLIENT_SECRET"), os.environ.get("REMIT_PRIVATE_KEY")
    if secret and key:
        raise Misconfigured("REMIT_CLIENT_SECRET and REMIT_PRIVATE_KEY are both set; a client has one credential")
    if key:
        return PrivateKey(key)
    return ClientSecret(secret) if secret else Public()
