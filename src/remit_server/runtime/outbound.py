"""The one way out. Every request that the server makes leaves here.

https only (http for loopback, and only when we are a loopback server ourselves); the name is resolved once, every address
it resolves to must be allowed, and the connection goes to that address and no other; no redirects; nothing from the
environment; time and size are capped.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpcore2
import msgspec

from remit_server.config import Settings
from remit_server.errors import TemporarilyUnavailable
from remit_server.runtime.clock import Clock

TIMEOUT: Final = 8.0
LARGEST_REPLY: Final = 512 * 1024
JWKS_SECONDS: Final = 300

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class OutboundRefused(TemporarilyUnavailable):
    """The request was not sent, or its reply not accepted; `detail` says why."""

    text = "A server that this depends on could not be reached."
    status = 502


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> dict[str, Any]:
        """The body as a JSON object. Raises `OutboundRefused` otherwise."""
        try:
            return msgspec.json.decode(self.body, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError) as error:
            raise OutboundRefused(detail="the reply is not a JSON object") from error


def allowed(address: Address, networks: Iterable[Any], *, loopback: bool) -> bool:
    """Whether we may connect there: public addresses, named private networks, and loopback for a loopback server."""
    if isinstance(address, ipaddress.IPv6Address) and (inner := address.ipv4_mapped or address.sixtofour):
        address = inner
    if address.is_loopback:
        return loopback
    if any(address in network for network in networks if network.version == address.version):
        return True
    return address.is_global and not address.is_multicast and not address.is_reserved


class _Guard(httpcore2.AsyncNetworkBackend):
    """Resolves, judges every address, and connects to one that was judged."""

    def __init__(self, networks: tuple[Any, ...], *, loopback: bool) -> None:
        self._networks, self._loopback = networks, loopback
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> Any:
        try:
            async with asyncio.timeout(timeout):
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, TimeoutError) as error:
            raise httpcore2.ConnectError(f"{host} does not resolve") from error
        addresses = list(dict.fromkeys(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))
        for address in addresses:
            if not allowed(address, self._networks, loopback=self._loopback):
                raise OutboundRefused(detail=f"{host} resolves to {address}, which is not a public address")
        return await self._inner.connect_tcp(str(addresses[0]), port, timeout, local_address, socket_options)

    async def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: Any = None) -> Any:
        raise OutboundRefused(detail="no unix sockets")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Outbound:
    def __init__(self, settings: Settings, clock: Clock, *, context: ssl.SSLContext | None = None) -> None:
        self._clock = clock
        self._loopback = settings.loopback
        networks = tuple(ipaddress.ip_network(network) for network in settings.private_networks)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context or ssl.create_default_context(),
            max_connections=64,
            keepalive_expiry=30,
            network_backend=_Guard(networks, loopback=settings.loopback),
        )
        self._jwks: dict[str, tuple[int, dict[str, Any]]] = {}

    def check_url(self, url: str) -> None:
        """Raises `OutboundRefused` for a URL that may not be called: another scheme, user information, a fragment."""
        parts = urlsplit(url)
        plain = parts.scheme == "http" and self._loopback
        if not (parts.scheme == "https" or plain) or not parts.hostname or parts.username or "#" in url or "\\" in url:
            raise OutboundRefused(detail="the URL must be https, without user information and fragment")

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout: float = TIMEOUT,  # noqa: ASYNC109 - the cap is part of what is promised
        largest: int = LARGEST_REPLY,
    ) -> Reply:
        """One request, no redirect followed. Seconds and bytes are capped. Raises `OutboundRefused`."""
        self.check_url(url)
        caps = {"connect": timeout, "read": timeout, "write": timeout, "pool": timeout}
        sent = [(name.encode(), value.encode()) for name, value in {"User-Agent": "remit", **(headers or {})}.items()]
        if urlsplit(url).netloc:
            sent.insert(0, (b"Host", urlsplit(url).netloc.encode("idna") if url.isascii() else b""))
        try:
            async with (
                asyncio.timeout(timeout),
                self._pool.stream(method, url, headers=sent, content=body, extensions={"timeout": caps}) as response,
            ):
                chunks, size = [], 0
                async for chunk in response.aiter_stream():
                    size += len(chunk)
                    if size > largest:
                        raise OutboundRefused(detail="the reply is too large")
                    chunks.append(chunk)
                received = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in response.headers}
                return Reply(response.status, received, b"".join(chunks))
        except (
            httpcore2.NetworkError,
            httpcore2.TimeoutException,
            httpcore2.ProtocolError,
            TimeoutError,
            OSError,
        ) as error:
            raise OutboundRefused(detail=f"{type(error).__name__} at {urlsplit(url).hostname}") from error

    async def jwks(self, uri: str) -> dict[str, Any]:
        """A JWK Set, kept for five minutes. Errors are not kept."""
        now = self._clock.now()
        kept = self._jwks.get(uri)
        if kept and kept[0] > now:
            return kept[1]
        reply = await self.send("GET", uri, headers={"Accept": "application/json"})
        if reply.status != 200:
            raise OutboundRefused(detail=f"the JWK Set answered {reply.status}")
        keys = reply.json()
        if len(self._jwks) > 1000:
            self._jwks.clear()
        self._jwks[uri] = (now + JWKS_SECONDS, keys)
        return keys

    async def close(self) -> None:
        await self._pool.aclose()
