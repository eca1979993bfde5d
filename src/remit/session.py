"""What the agent holds of one user: tokens that change, behind a ``User`` that does not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from .dpop import ProofKey
from .errors import SignInRequired, Unavailable
from .server import Answer, OAuthRefusal, Server
from .single_flight import SingleFlight
from .tokens import Token

_MARGIN = 30
"""Seconds before its end from which a token is no longer handed out."""

_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"

Rotated = Callable[[str], Awaitable[None]]
Wanted = tuple[str | None, tuple[str, ...]]


class Session:
    """The tokens of one user at one agent.

    A rotated refresh token must never be sent twice, or the server takes it for stolen and ends the whole family (RFC 9700
    section 4.14). So whatever sends it holds one lock, and callers that want the same access token share one refresh.
    """

    def __init__(
        self,
        server: Server,
        *,
        key: ProofKey | None,
        access: Token | None = None,
        refresh: str | None = None,
        on_rotate: Rotated | None = None,
    ) -> None:
        self.server = server
        self.key = key
        self._refresh = refresh
        self._on_rotate = on_rotate
        self._tokens: dict[Wanted, Token] = {(None, ()): access} if access else {}
        self._lock = asyncio.Lock()
        self._flight: SingleFlight[Token] = SingleFlight()

    def __repr__(self) -> str:
        return "Session(...)"

    def __reduce__(self) -> str:
        raise TypeError("a session is not pickled: it holds tokens in clear")

    async def access_token(self, audience: str | None = None, scopes: Sequence[str] = ()) -> Token:
        """A live access token of the user, refreshed when need be."""
        wanted = (audience, tuple(sorted(scopes)))
        if (token := self._alive(wanted)) is not None:
            return token
        return await self._flight(wanted, lambda: self._renew(wanted))

    async def exchange(self, form: Mapping[str, str | None]) -> Answer:
        """Post a token exchange with what stands for the user: the refresh token when there is one, or the access token."""
        if self._refresh is None:
            token = await self.access_token()
            return await self._post({**form, "subject_token": token.reveal(), "subject_token_type": _kind("access")})
        async with self._lock:
            return await self._post({**form, "subject_token": self._refresh, "subject_token_type": _kind("refresh")})

    async def _renew(self, wanted: Wanted) -> Token:
        async with self._lock:
            if (token := self._alive(wanted)) is not None:
                return token
            if self._refresh is None:
                return await self._exchanged(wanted)
            audience, scopes = wanted
            form = {
                "grant_type": "refresh_token",
                "refresh_token": self._refresh,
                "audience": audience,
                "scope": " ".join(scopes) or None,
            }
            try:
                answer = await self._post(form)
            except Unavailable as lost:
                if lost.retry_after is not None:
                    raise
                # The reply may have been lost after the rotation. The server grants the same client a short grace.
                answer = await self._post(form)
            if isinstance(answer, OAuthRefusal):
                if answer.error == "invalid_grant":
                    self._refresh = None
                raise answer.as_error()
            token = self.server.token(answer, self.key, scopes)
            self._tokens[wanted] = token
            await self._rotate(answer)
            return token

    async def _exchanged(self, wanted: Wanted) -> Token:
        """For another audience, in exchange for the access token that is all there is (RFC 8693)."""
        audience, scopes = wanted
        if audience is None or (held := self._alive((None, ()))) is None:
            raise SignInRequired("there is no live access token and nothing to renew it with")
        form = {
            "grant_type": _EXCHANGE,
            "subject_token": held.reveal(),
            "subject_token_type": _kind("access"),
            "audience": audience,
            "scope": " ".join(scopes) or None,
        }
        answer = await self._post(form)
        if isinstance(answer, OAuthRefusal):
            raise answer.as_error()
        self._tokens[wanted] = token = self.server.token(answer, self.key, scopes)
        return token

    async def _rotate(self, answer: Mapping[str, Any]) -> None:
        renewed = answer.get("refresh_token")
        if isinstance(renewed, str) and renewed and renewed != self._refresh:
            self._refresh = renewed
            if self._on_rotate is not None:
                await self._on_rotate(renewed)

    async def _post(self, form: Mapping[str, str | None]) -> Answer:
        return await self.server.post("token_endpoint", form, key=self.key)

    def _alive(self, wanted: Wanted) -> Token | None:
        token = self._tokens.get(wanted)
        if token is None or (token.expires_at is not None and token.expires_at - _MARGIN <= self.server.clock.now()):
            return None
        return token


def _kind(token: str) -> str:
    return f"urn:ietf:params:oauth:token-type:{token}_token"
