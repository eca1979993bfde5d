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
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit
from weakref import WeakValueDictionary

import httpcore2
import msgspec

from remit_server.config import Settings, is_loopback
from remit_server.errors import TemporarilyUnavailable
from remit_server.runtime.clock import Clock
from remit_server.runtime.kept_connections import KeptConnections
from remit_server.runtime.network_stream import NetworkStream

TIMEOUT: Final = 8.0
LARGEST_REPLY: Final = 512 * 1024
PER_HOST: Final = 16
"""Requests under way to one host: a slow one cannot take every connection."""
NAMED: Final = 16
"""Requests under way to URLs that clients name; of one host a quarter. They have connections of their own: whoever registers
a slow one keeps nobody else waiting."""
STREAMS: Final = 256
"""Answers under way at once that are passed on as they come; of one host a quarter. What the server asks for itself has
connections of its own, and does not wait behind them."""
CONNECTING: Final = 5.0
"""Seconds in which a stream must have its connection."""
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


class TooSlow(ReplyLost):
    """Nothing came in time."""

    text = "A server that this depends on did not answer in time."
    status = 504


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


def _whole(parts: SplitResult) -> httpcore2.URL:
    """The URL as it was judged. A string would be taken apart by httpcore, which drops `;` and what follows it from the last
    segment: `DELETE /files/;x` would go up as `DELETE /files/`."""
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return httpcore2.URL(scheme=parts.scheme, host=parts.hostname or "", port=parts.port, target=target)


class _Guard(httpcore2.AsyncNetworkBackend):
    """Resolves, judges every address, and connects to one that was judged."""

    def __init__(self, networks: tuple[Any, ...], *, loopback: bool) -> None:
        self._networks, self._loopback = networks, loopback

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is the library's
        local_address: str | None = None,  # noqa: ARG002 - neither is ever set
        socket_options: Any = None,  # noqa: ARG002
    ) -> NetworkStream:
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
                return await NetworkStream.connect(str(address), port, timeout)
        return await NetworkStream.connect(str(addresses[-1]), port, timeout)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Opened:
    """An answer whose head is there and whose body comes as it is read. Must be closed; an unread body costs its connection."""

    def __init__(
        self,
        response: httpcore2.Response,
        patience: dict[str, float],
        silence: float,
        done: Callable[[], Awaitable[None]],
        host: str,
    ) -> None:
        """`done` is called once, when nobody needs the connection any more."""
        self._response, self._host = response, host
        self._done: Callable[[], Awaitable[None]] | None = done
        self._patience, self._silence = patience, silence
        self.status = response.status
        self.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers]

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body. Raises `OutboundRefused`."""
        self._patience["read"] = self._silence
        with _translated(self._host):
            async for piece in self._response.aiter_stream():
                yield piece

    async def close(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            try:
                await _nothing_follows(self._response)
                await self._response.aclose()
            finally:
                await done()


async def _nothing_follows(response: httpcore2.Response) -> None:
    """Give the connection up unless it is certain that nothing came on it beyond this answer: the rest would be taken for the
    answer to whoever is next, and that may be somebody else (RFC 9112 section 9.2). httpcore looks at the socket, but not at
    what it has read."""
    if _unread(response) != b"":
        await response.extensions["network_stream"].aclose()


def _unread(response: httpcore2.Response) -> bytes | None:
    """What was read beyond the answer; None when httpcore does not tell: there is no public way to know."""
    stream: Any = response.stream
    try:
        stream = getattr(stream, "_stream", stream)  # a pool's has the connection's inside
        return bytes(stream._connection._h11_state.trailing_data[0])  # noqa: SLF001
    except AttributeError:
        return None


@contextmanager
def _translated(host: str | None) -> Iterator[None]:
    """What goes wrong on the way, in our words. Raises `OutboundRefused`."""
    try:
        yield
    except (httpcore2.ConnectError, httpcore2.ConnectTimeout, httpcore2.PoolTimeout) as error:
        raise OutboundRefused(detail=f"{type(error).__name__} at {host}") from error
    except (httpcore2.TimeoutException, TimeoutError) as error:
        raise TooSlow(detail=f"{type(error).__name__} at {host}") from error
    except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError) as error:
        raise ReplyLost(detail=f"{type(error).__name__} at {host}") from error


class Outbound:
    def __init__(self, settings: Settings, clock: Clock, *, context: ssl.SSLContext | None = None) -> None:
        self._clock = clock
        self._loopback = settings.loopback
        networks = tuple(ipaddress.ip_network(network) for network in settings.private_networks)
        self._ours: dict[str, Any] = {
            "ssl_context": context or ssl.create_default_context(),
            "keepalive_expiry": 30,
            "network_backend": _Guard(networks, loopback=settings.loopback),
        }
        self._pool = httpcore2.AsyncConnectionPool(max_connections=64, **self._ours)
        self._named = httpcore2.AsyncConnectionPool(max_connections=NAMED, **self._ours)
        self._streams: KeptConnections[httpcore2.AsyncHTTPConnection] = KeptConnections(most=STREAMS)
        self._jwks: dict[str, tuple[int, dict[str, Any] | OutboundRefused]] = {}
        self._per_host: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._named_per_host: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._streams_per_host: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._of_all_hosts = asyncio.Semaphore(STREAMS)

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
        named: bool = False,
    ) -> Reply:
        """One request, no redirect followed. Seconds and bytes are capped. `named` is a URL that a client has named. Raises
        `OutboundRefused`."""
        parts = self.check_url(url)
        caps = {"connect": timeout, "read": timeout, "write": timeout, "pool": timeout}
        # No compression: what a small reply unpacks to could not be capped before it is unpacked.
        own = {"Host": parts.netloc, "User-Agent": "remit", "Accept-Encoding": "identity"}
        sent = [(name.encode(), value.encode()) for name, value in (own | dict(headers or {})).items()]
        pool, per_host, most = (
            (self._named, self._named_per_host, NAMED // 4) if named else (self._pool, self._per_host, PER_HOST)
        )
        slots = per_host.setdefault(parts.netloc.lower(), asyncio.Semaphore(most))
        with _translated(parts.hostname):
            async with (
                asyncio.timeout(timeout),
                slots,
                pool.stream(
                    method, _whole(parts), headers=sent, content=body, extensions={"timeout": caps}
                ) as response,
            ):
                chunks, size = [], 0
                async for chunk in response.aiter_stream():
                    size += len(chunk)
                    if size > largest:
                        raise ReplyLost(detail="the reply is too large")
                    chunks.append(chunk)
                await _nothing_follows(response)
                received = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in response.headers}
                return Reply(response.status, received, b"".join(chunks))

    async def open(
        self,
        method: str,
        url: str,
        *,
        headers: Iterable[tuple[str, str]],
        body: bytes | AsyncIterator[bytes] = b"",
        patience: float,
        silence: float,
    ) -> Opened:
        """One request whose body may come in pieces, and the head of its answer; no redirect followed.

        `patience` is the seconds until the head, once the request is sent, `silence` those between two pieces in either
        direction. What there is of either is the caller's to cap, as is the time that all of it takes. Raises
        `OutboundRefused`, and whatever `body` raises.
        """
        parts = self.check_url(url)
        caps = {"connect": CONNECTING, "read": patience, "write": silence}
        own = [("host", parts.netloc), ("user-agent", "remit"), ("accept-encoding", "identity")]
        sent = [(name.encode(), value.encode("latin-1")) for name, value in (*own, *headers)]
        whole = _whole(parts)
        origin = str(whole.origin)
        request = httpcore2.Request(method, whole, headers=sent, content=body, extensions={"timeout": caps})
        of_the_host = self._streams_per_host.setdefault(origin, asyncio.Semaphore(STREAMS // 4))
        async with AsyncExitStack() as undo:
            try:
                async with asyncio.timeout(CONNECTING):
                    await undo.enter_async_context(of_the_host)
                    await undo.enter_async_context(self._of_all_hosts)
            except TimeoutError:
                raise TemporarilyUnavailable(detail=f"all streams to {parts.netloc} are in use") from None
            connection = await self._streams.take(origin) or httpcore2.AsyncHTTPConnection(whole.origin, **self._ours)
            undo.push_async_callback(self._streams.put, connection, origin)
            with _translated(parts.hostname):
                response = await connection.handle_async_request(request)
            return Opened(response, caps, silence, undo.pop_all().aclose, parts.hostname or "")

    async def jwks(self, uri: str, *, named: bool = False) -> dict[str, Any]:
        """A JWK Set, kept for five minutes; a failure is kept for seconds, so that nobody can make us knock all day. `named` is
        a URL that a client has named."""
        now = self._clock.now()
        until, kept = self._jwks.get(uri, (0, {}))
        if until <= now:
            try:
                until, kept = now + JWKS_SECONDS, await self._fetch_jwks(uri, named=named)
            except OutboundRefused as error:
                until, kept = now + JWKS_FAILED_SECONDS, error
            if len(self._jwks) > 1000:
                self._jwks.clear()
            self._jwks[uri] = (until, kept)
        if isinstance(kept, OutboundRefused):
            raise OutboundRefused(detail=kept.detail)
        return kept

    async def _fetch_jwks(self, uri: str, *, named: bool) -> dict[str, Any]:
        reply = await self.send("GET", uri, headers={"Accept": "application/json"}, named=named)
        if reply.status != 200:
            raise OutboundRefused(detail=f"the JWK Set answered {reply.status}")
        return reply.json()

    async def close(self) -> None:
        await self._pool.aclose()
        await self._named.aclose()
        await self._streams.aclose()
