"""What OpenID providers say about themselves (OIDC Discovery 1.0 section 4), kept for a while.

A document is believed only when its `issuer` is, byte for byte, the one that was asked: otherwise one host could hand out
another's endpoints and collect what is meant for them.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from remit_server.records import Connection
from remit_server.runtime.clock import Clock
from remit_server.runtime.outbound import Outbound, OutboundRefused

SECONDS: Final = 300
FAILED_SECONDS: Final = 5
MOST: Final = 200
PATH: Final = "/.well-known/openid-configuration"
ENDPOINTS: Final = (
    "authorization_endpoint", "token_endpoint", "revocation_endpoint", "userinfo_endpoint", "jwks_uri", "end_session_endpoint",
)  # fmt: skip


class Discovery:
    """Asks each issuer at most once in five minutes; one that fails, once in five seconds."""

    def __init__(self, outbound: Outbound, clock: Clock) -> None:
        self._outbound, self._clock = outbound, clock
        self._kept: dict[str, tuple[int, dict[str, str] | OutboundRefused]] = {}

    async def complete(self, connection: Connection, *needed: str) -> Connection:
        """The connection with the endpoints that nobody wrote down, as its issuer names them; asked only when one of those
        that are `needed` is missing. Raises `OutboundRefused`, also when the issuer does not name it either."""
        if connection.issuer is None or all(getattr(connection, name) for name in needed):
            return connection
        found = await self.endpoints(connection.issuer)
        ours = {name: url for name, url in found.items() if hasattr(connection, name) and not getattr(connection, name)}
        whole = replace(connection, **ours)
        if missing := [name for name in needed if not getattr(whole, name)]:
            raise OutboundRefused(detail=f"the discovery document names no {missing[0]}")
        return whole

    async def endpoints(self, issuer: str) -> dict[str, str]:
        """The endpoints of an issuer that it names, by their member. Raises `OutboundRefused`."""
        now = self._clock.now()
        until, kept = self._kept.get(issuer, (0, {}))
        if until <= now:
            try:
                until, kept = now + SECONDS, await self._ask(issuer)
            except OutboundRefused as error:
                until, kept = now + FAILED_SECONDS, error
            if len(self._kept) >= MOST:
                self._kept.clear()
            self._kept[issuer] = (until, kept)
        if isinstance(kept, OutboundRefused):
            raise OutboundRefused(detail=kept.detail)
        return kept

    async def _ask(self, issuer: str) -> dict[str, str]:
        reply = await self._outbound.send(
            "GET", issuer.removesuffix("/") + PATH, headers={"Accept": "application/json"}
        )
        if reply.status != 200:
            raise OutboundRefused(detail=f"the discovery document answered {reply.status}")
        said: dict[str, Any] = reply.json()
        if said.get("issuer") != issuer:
            raise OutboundRefused(detail="the discovery document is of another issuer")
        found = {name: said[name] for name in ENDPOINTS if isinstance(said.get(name), str)}
        for url in found.values():
            self._outbound.check_url(url)  # a browser is sent to some of them
        return found
