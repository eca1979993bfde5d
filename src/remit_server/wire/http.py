"""A request, an answer, and the few lines between them and ASGI.

Endpoints are `async def __call__(request) -> Answer`. This is thinner than a framework's request because the token endpoint
is the hot path; routing, static files and streaming stay Starlette's.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final, Protocol

import msgspec

from remit_server.errors import InvalidRequest, PayloadTooLarge

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_BODY: Final = 256 * 1024
LARGEST_QUERY: Final = 32 * 1024

ROUTE: Final = "remit.route"
"""Where the scope keeps the route."""

_encode = msgspec.json.Encoder().encode


def network_of(address: str) -> str:
    """The network that a peer's address counts as: an IPv6 peer has its whole /64 to choose from."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 6:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


class Gone(InvalidRequest):
    """Whoever asked has hung up; no answer will be read."""

    text = "The request ended before its answer began."


class Request:
    """One HTTP request; the body is read once and capped."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self._receive = receive
        self._body: bytes | None = None
        self._all_there = asyncio.Event()
        self.method: str = scope["method"]
        self.path: str = scope["path"]

    @cached_property
    def _headers(self) -> dict[bytes, list[bytes]]:
        headers: dict[bytes, list[bytes]] = {}
        for name, value in self.scope["headers"]:
            headers.setdefault(name, []).append(value)
        return headers

    def header(self, name: str) -> str | None:
        """The one value of a header (name in lower case). A repeated header is malformed: `InvalidRequest`."""
        values = self._headers.get(name.encode())
        if values is None:
            return None
        if len(values) > 1:
            raise InvalidRequest(f"The {name} header is repeated.")
        return values[0].decode("latin-1")

    def headers(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        return [value.decode("latin-1") for value in self._headers.get(name.encode(), [])]

    @property
    def route(self) -> str:
        """The path as `routes.py` writes it. The log has this one: people put secrets into paths."""
        route: str = self.scope.get(ROUTE, "")
        return route

    @property
    def raw_path(self) -> str:
        """The path as it was on the wire. `path` is percent-decoded, and so may have been several of these."""
        raw: bytes = self.scope.get("raw_path") or b""
        return raw.partition(b"?")[0].decode("latin-1")

    @property
    def all_headers(self) -> list[tuple[str, str]]:
        """Every header in order, names in lower case."""
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.scope["headers"]]

    @property
    def query(self) -> str:
        raw: bytes = self.scope["query_string"]
        if len(raw) > LARGEST_QUERY:
            raise PayloadTooLarge("The query is too long.")
        return raw.decode("latin-1")

    @property
    def params(self) -> dict[str, str]:
        """Values of the path's placeholders."""
        params: dict[str, str] = self.scope.get("path_params", {})
        return params

    @cached_property
    def cookies(self) -> dict[str, str]:
        """The cookies; of one name that is sent twice, the first (RFC 6265 section 5.4 puts the most specific first)."""
        found: dict[str, str] = {}
        for header in self.headers("cookie"):
            for pair in header.split(";"):
                name, _, value = pair.strip().partition("=")
                found.setdefault(name, value)
        return found

    @property
    def address(self) -> str:
        """The peer's address, as uvicorn's proxy handling settled it."""
        client = self.scope.get("client")
        return client[0] if client else ""

    @property
    def network(self) -> str:
        """The address as rate limits see it."""
        return network_of(self.address)

    async def body(self) -> bytes:
        """The whole body. Raises `PayloadTooLarge` over 256 KiB."""
        if self._body is None:
            chunks: list[bytes] = []
            size = 0
            more = True
            while more:
                message = await self._receive()
                if message["type"] == "http.disconnect":
                    raise InvalidRequest("The request ended before its body did.")
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > LARGEST_BODY:
                    raise PayloadTooLarge
                chunks.append(chunk)
                more = message.get("more_body", False)
            self._body = b"".join(chunks)
            self._all_there.set()
        return self._body

    async def pieces(self, most: int) -> AsyncIterator[bytes]:
        """The body as it comes, for who does not want it whole. Raises `PayloadTooLarge` over `most` bytes, `Gone`."""
        size, more = 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._all_there.set()
                raise Gone
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > most:
                raise PayloadTooLarge
            more = message.get("more_body", False)
            if not more:
                self._all_there.set()
            if chunk:
                yield chunk

    async def hung_up(self) -> None:
        """Returns when whoever asked has gone. Before the body is there nobody can tell, but who reads it will be."""
        await self._all_there.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back. Header names are lower case."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    async def send(self, send: Send) -> None:
        headers = [(name.encode(), value.encode("latin-1")) for name, value in self.headers]
        headers.append((b"content-length", str(len(self.body)).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})

    def adding(self, *headers: tuple[str, str]) -> Answer:
        return Answer(self.status, self.body, self.headers + headers)


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that goes on: an export, server-sent events."""

    chunks: Any = field(repr=False)
    """An async iterator of bytes."""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()

    async def send(self, send: Send) -> None:
        headers = [(name.encode(), value.encode("latin-1")) for name, value in self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        async for chunk in self.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class Sendable(Protocol):
    """What an endpoint gives back: an answer, whole or in pieces, that knows how to go out."""

    async def send(self, send: Send) -> None: ...


Endpoint = Callable[[Request], Awaitable[Sendable]]

NO_STORE: Final = (("cache-control", "no-store"), ("pragma", "no-cache"))
JSON: Final = ("content-type", "application/json")  # exactly: some clients compare the whole header


def json_answer(
    value: Any, status: int = 200, *, headers: Iterable[tuple[str, str]] = (), store: bool = False
) -> Answer:
    """JSON that no cache keeps, unless `store` says that one may."""
    return Answer(status, _encode(value), (JSON, *(() if store else NO_STORE), *headers))


def cookie(name: str, value: str, *, secure: bool, max_age: int | None = None) -> tuple[str, str]:
    """A Set-Cookie header: HttpOnly, SameSite=Lax, whole site, `Secure` over TLS."""
    jar: SimpleCookie = SimpleCookie()
    try:
        jar[name] = value
    except CookieError as error:
        raise ValueError("not a cookie name") from error
    jar[name]["path"] = "/"
    jar[name]["httponly"] = True
    jar[name]["samesite"] = "Lax"
    if secure:
        jar[name]["secure"] = True
    if max_age is not None:
        jar[name]["max-age"] = max_age
    return "set-cookie", jar[name].OutputString()
