"""An issuer's published metadata and keys: fetched once for everybody, kept, and fetched again when there is reason to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import jose
from .clock import SYSTEM, Clock
from .errors import Misconfigured, Unavailable
from .single_flight import SingleFlight
from .transport import Transport, require_secure

_FRESH = 600.0
"""Seconds for which metadata and keys are used without asking again."""
_USABLE = 3600.0
"""Seconds for which they are used when asking again fails. After that nothing verifies."""
_PAUSE = 10.0
"""Least seconds between two fetches of the keys: a flood of unknown key ids must not become a flood at the issuer."""


class Issuer:
    """One authorization server, by its issuer identifier, which is compared byte for byte (RFC 8414 section 3.3)."""

    def __init__(self, identifier: str, transport: Transport, clock: Clock = SYSTEM) -> None:
        self.identifier = require_secure(identifier, what="the issuer")
        self._base = identifier.rstrip("/")
        self._loopback = identifier.startswith("http://")
        self._transport = transport
        self._clock = clock
        self._metadata: Mapping[str, Any] | None = None
        self._metadata_at = 0.0
        self._keys: dict[str, jose.PublicKey] = {}
        self._keys_at = float("-inf")
        self._tried_at = float("-inf")
        self._metadata_flight: SingleFlight[Mapping[str, Any]] = SingleFlight()
        self._keys_flight: SingleFlight[None] = SingleFlight()

    def page(self, path: str) -> str:
        """A URL under the issuer, whether or not its identifier ends with a slash."""
        return f"{self._base}/{path}"

    async def metadata(self) -> Mapping[str, Any]:
        """The discovery document.

        Raises:
            Misconfigured: it names another issuer; the message shows both, as a final slash is easily missed.
            Unavailable: it cannot be had.
        """
        if self._metadata is not None and self._clock.now() - self._metadata_at < _FRESH:
            return self._metadata
        try:
            return await self._metadata_flight("metadata", self._fetch_metadata)
        except Unavailable:
            if self._metadata is not None and self._clock.now() - self._metadata_at < _USABLE:
                return self._metadata
            raise

    async def endpoint(self, name: str) -> str:
        """The URL of an endpoint from the metadata.

        Raises:
            Misconfigured: the server does not offer it, or offers it where a token would travel in clear.
        """
        url = (await self.metadata()).get(name)
        if url is None:
            raise Misconfigured(f"{self.identifier} offers no {name}")
        return require_secure(url, what=f"the issuer's {name}", loopback=self._loopback)

    async def key(self, kid: object) -> jose.PublicKey:
        """The key with this id. An unknown id is reason to look again, though not more often than every ten seconds.

        Raises:
            jose.BadToken: there is no such key.
            Unavailable: the keys cannot be had.
        """
        if not isinstance(kid, str):
            raise jose.BadToken("no key id")
        age = self._clock.now() - self._keys_at
        if (kid not in self._keys or age >= _FRESH) and self._clock.now() - self._tried_at >= _PAUSE:
            try:
                await self._keys_flight("keys", self._fetch_keys)
            except Unavailable:
                if age >= _USABLE:
                    raise
        if self._clock.now() - self._keys_at >= _USABLE:
            raise Unavailable(f"the keys of {self.identifier} cannot be had")
        if kid not in self._keys:
            raise jose.BadToken("no key of the issuer has this id")
        return self._keys[kid]

    async def _fetch_metadata(self) -> Mapping[str, Any]:
        reply = await self._transport.send("GET", self.page(".well-known/openid-configuration"))
        found = reply.json()
        if reply.status != 200 or found is None:
            raise Unavailable(f"{self.identifier} gave no metadata (HTTP {reply.status})")
        if found.get("issuer") != self.identifier:
            raise Misconfigured(f"asked for issuer {self.identifier!r} and found {found.get('issuer')!r}")
        self._metadata, self._metadata_at = found, self._clock.now()
        return found

    async def _fetch_keys(self) -> None:
        try:
            self._keys, self._keys_at = await self._published_keys(), self._clock.now()
        finally:
            # Noted when it is over: whoever comes meanwhile joins the flight, instead of going without keys.
            self._tried_at = self._clock.now()

    async def _published_keys(self) -> dict[str, jose.PublicKey]:
        reply = await self._transport.send("GET", await self.endpoint("jwks_uri"))
        published = (reply.json() or {}).get("keys")
        if reply.status != 200 or not isinstance(published, list):
            raise Unavailable(f"{self.identifier} gave no keys (HTTP {reply.status})")
        keys: dict[str, jose.PublicKey] = {}
        for jwk in published:
            try:
                key = jose.public_key(jwk)
            except jose.BadToken:
                continue  # a set may hold keys for other uses and of kinds yet unknown (RFC 7517 section 5)
            if key.kid is not None:
                keys.setdefault(key.kid, key)
        return keys
