"""Tokens that do not spill: not into a log, a traceback, a checkpoint or a model's context."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import NoReturn

import httpx2

from .clock import SYSTEM, Clock
from .dpop import ProofKey


class Token:
    """An access token. Its value shows only through ``auth``, which sends it, and ``reveal()``, which names the danger.

    ``repr``, ``str`` and f-strings hide it; ``pickle`` and JSON are refused; it cannot be changed.
    """

    __slots__ = ("_clock", "_key", "_value", "expires_at", "scopes")

    _value: str
    _key: ProofKey | None
    _clock: Clock

    scopes: frozenset[str]
    """What the token permits, as its issuer stated it."""
    expires_at: int | None
    """Unix seconds; None when its issuer did not say."""

    def __init__(
        self,
        value: str,
        *,
        scopes: Iterable[str] = (),
        expires_at: int | None = None,
        key: ProofKey | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        for name, attribute in {
            "_value": value,
            "_key": key,
            "_clock": clock,
            "scopes": frozenset(scopes),
            "expires_at": expires_at,
        }.items():
            object.__setattr__(self, name, attribute)

    @property
    def auth(self) -> httpx2.Auth:
        """For ``httpx2``'s ``auth=``: sends the token as Bearer, or with a DPoP proof when it is bound to a key."""
        return _DPoP(self._value, self._key, self._clock) if self._key else _Bearer(self._value)

    def reveal(self) -> str:
        """The token itself, for a library that wants the string. From here on keeping it secret is up to you."""
        return self._value

    def __repr__(self) -> str:
        kind = "DPoP" if self._key else "Bearer"
        return f"Token({kind}, scopes={sorted(self.scopes)}, expires_at={self.expires_at})"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a token does not change")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a token does not change")

    def __copy__(self) -> Token:
        return self

    def __deepcopy__(self, memo: object) -> Token:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token is not pickled: it would outlive its process in clear")


class _Bearer(httpx2.Auth):
    def __init__(self, value: str) -> None:
        self._value = value

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._value}"
        yield request


class _DPoP(httpx2.Auth):
    """Signs each request anew, and once more when the server asks for its nonce (RFC 9449 section 9)."""

    requires_request_body = True  # the request may be sent twice

    def __init__(self, value: str, key: ProofKey, clock: Clock) -> None:
        self._value = value
        self._key = key
        self._clock = clock

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        response = yield self._sign(request)
        nonce = response.headers.get("dpop-nonce")
        self._key.remember(str(request.url), nonce)
        if nonce and response.status_code == 401 and "use_dpop_nonce" in response.headers.get("www-authenticate", ""):
            yield self._sign(request)

    def _sign(self, request: httpx2.Request) -> httpx2.Request:
        url = str(request.url)
        request.headers["Authorization"] = f"DPoP {self._value}"
        request.headers["DPoP"] = self._key.proof(request.method, url, now=self._clock.now(), access_token=self._value)
        return request
