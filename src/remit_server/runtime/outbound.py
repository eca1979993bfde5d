"""The one way out. Every request that the server makes leaves here.

https only (http for loopback, and only when we are a loopback server ourselves); the name is resolved once, every address
it resolves to must be allowed, and the connection goes to one of those and no other; no redirects; nothing from the
environment; time, size and the number of requests to one host are capped.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit
from weakref import WeakValueDictionary

import httpcore2
import msgspec

from remit_server.config import Settings, is_loopback
from remit_server.errors import TemporarilyUnavailable
from remit_server.runtime.clock import Clock

TIMEOUT: Final = 8.0
LARGEST_REPLY: Final = 512 * 1024
PER_HOST: Final = 16
"""Requests under way to one host: a slow one cannot take every connection."""
JWKS_SECONDS: Final = 300
JWKS_FAILED_SECONDS: Final = 5

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # the only part of IPv6 that IANA has given to the Internet
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052 section 2.1: the last 32 bits are where it really goes
_NOT_PUBLIC = tuple(  # what Python's own tables, which differ by its version, may call global
    map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20", "168.63.129.16/32"))
)  # the last is Azure's host agent: public by number, not by nature


class OutboundRefused(TemporarilyUnavailable):
    """The request was not sent, or its reply not accepted; `detail` says why."""

    text = "A server that this depends on could not be reached."
    status = 502


class ReplyLost(OutboundRefused):
    """The request may have arrived; what became of it is not known."""


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
    address = _inner(address)
    if address.is_loopback:
        return loopback
    if any(address in network for network in networks if network.version == address.version):
        return True
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return False
    if any(address in network for network in _NOT_PUBLIC if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 address carries, where routers would unwrap it: mapped, NAT64, 6to4."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


class _Guard(httpcore2.AsyncNetworkBackend):
    """Resolves, judges every address, and connects to one that was judged."""

    def __init__(self, networks: tuple[Any, ...], *, loopback: bool) -> None:
        self._networks, self._loopback = networks, loopback
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is the library's
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> Any:
        try:
            async with asyncio.timeout(timeout):
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, TimeoutError) as error:
            raise httpcore2.ConnectError(f"{host} does not resolve") from error
        addresses = list(dict.fromkeys(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))
        # One bad address condemns the name: an honest one does not point to both sides of the wall.
        for address in addresses:
            if not allowed(address, self._networks, loopback=self._loopback):
                raise OutboundRefused(detail=f"{host} resolves to {address}, which is not a public address")
        for address in addresses[:-1]:
            with suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                return await self._inner.connect_tcp(str(address), port, timeout, local_address, socket_options)
        return await self._inner.connect_tcp(str(addresses[-1]), port, timeout, local_address, socket_options)

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
        self._jwks: dict[str, tuple[int, dict[str, Any] | OutboundRefused]] = {}
        self._per_host: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def check_url(self, url: str) -> SplitResult:
        """The parts of a URL that may be called. Raises `OutboundRefused` for another scheme, user information, a fragment,
        or characters that two parsers could read in two ways."""
        refused = OutboundRefused(detail="the URL must be plain https, without user information and fragment")
        if not url.isascii() or not url.isprintable() or any(char in url for char in ' #\\<>"^`{|}'):
            raise refused
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError as error:
            raise refused from error
        plain = parts.scheme == "http" and self._loopback and is_loopback(parts.hostname or "")
        if not (parts.scheme == "https" or plain) or not parts.hostname or "@" in parts.netloc:
            raise refused
        return parts

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
        parts = self.check_url(url)
        caps = {"connect": timeout, "read": timeout, "write": timeout, "pool": timeout}
        # No compression: what a small reply unpacks to could not be capped before it is unpacked.
        own = {"Host": parts.netloc, "User-Agent": "remit", "Accept-Encoding": "identity"}
        sent = [(name.encode(), value.encode()) for name, value in (own | dict(headers or {})).items()]
        slots = self._per_host.setdefault(parts.netloc.lower(), asyncio.Semaphore(PER_HOST))
        try:
            async with (
                asyncio.timeout(timeout),
                slots,
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
        except (httpcore2.ConnectError, httpcore2.ConnectTimeout, httpcore2.PoolTimeout) as error:
            raise OutboundRefused(detail=f"{type(error).__name__} at {parts.hostname}") from error
        except (
            httpcore2.NetworkError,
            httpcore2.TimeoutException,
            httpcore2.ProtocolError,
            TimeoutError,
            OSError,
        ) as error:
            raise ReplyLost(detail=f"{type(error).__name__} at {parts.hostname}") from error

    async def jwks(self, uri: str) -> dict[str, Any]:
        """A JWK Set, kept for five minutes; a failure is kept for seconds, so that nobody can make us knock all day."""
        now = self._clock.now()
        until, kept = self._jwks.get(uri, (0, {}))
        if until <= now:
            try:
                until, kept = now + JWKS_SECONDS, await self._fetch_jwks(uri)
            except OutboundRefused as error:
                until, kept = now + JWKS_FAILED_SECONDS, error
            if len(self._jwks) > 1000:
                self._jwks.clear()
            self._jwks[uri] = (until, kept)
        if isinstance(kept, OutboundRefused):
            raise OutboundRefused(detail=kept.detail)
        return kept

    async def _fetch_jwks(self, uri: str) -> dict[str, Any]:
        reply = await self.send("GET", uri, headers={"Accept": "application/json"})
        if reply.status != 200:
            raise OutboundRefused(detail=f"the JWK Set answered {reply.status}")
        return reply.json()

    async def close(self) -> None:
        await self._pool.aclose()
