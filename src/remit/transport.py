"""One way out: every request of the SDK is made here, bounded in time and size, and follows no redirect."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2

from .errors import Misconfigured, Unavailable
from .sync import Sync

_SECONDS = 15.0
_BYTES = 1024 * 1024
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True)
class Reply:
    """An HTTP response that was read to its end."""

    status: int
    headers: httpx2.Headers
    body: bytes

    def json(self) -> dict[str, Any] | None:
        """The JSON object in the body; None when it holds anything else."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def retry_after(self, now: float) -> int | None:
        """Seconds from the ``Retry-After`` field, which holds seconds or a date (RFC 9110 section 10.2.3)."""
        value = self.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdigit():
            return int(value[:9])
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        return max(0, int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now))


class Transport:
    """An ``httpx2.AsyncClient`` with bounds. It belongs to the event loop that first used it."""

    def __init__(self, http: httpx2.AsyncClient | None = None) -> None:
        self._http = http
        self._ours = http is None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.sync = Sync(lambda: self._loop)

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Reply:
        """Send, and read the whole answer.

        Raises:
            Unavailable: no answer, or one that is too slow, too large, or a redirect.
        """
        http = self._open()
        try:
            async with (
                asyncio.timeout(_SECONDS),
                http.stream(
                    method,
                    url,
                    headers={"Accept": "application/json", **(headers or {})},
                    data=form,
                    json=body,
                    follow_redirects=False,
                    timeout=_SECONDS,
                ) as response,
            ):
                received = bytearray()
                async for chunk in response.aiter_bytes():
                    received += chunk
                    if len(received) > _BYTES:
                        raise Unavailable(f"the answer of {_place(url)} is larger than {_BYTES} bytes")
        except (httpx2.HTTPError, httpx2.StreamError, TimeoutError, OSError) as cause:
            # The cause's text may quote a header or a body, so only its kind is told.
            raise Unavailable(f"no answer from {_place(url)}: {type(cause).__name__}") from None
        if response.is_redirect:
            raise Unavailable(f"{_place(url)} answered with a redirect, which is never followed")
        return Reply(response.status_code, response.headers, bytes(received))

    def shared(self) -> httpx2.AsyncBaseTransport:
        """The same way out for another ``httpx2`` client. Closing that one leaves the connections open."""
        return _Shared(self._open)

    def _open(self) -> httpx2.AsyncClient:
        loop = asyncio.get_running_loop()
        if self._loop not in {None, loop}:
            raise RuntimeError("this object belongs to another event loop; make one per loop, or use client.sync")
        self._loop = loop
        if self._http is None:
            self._http = httpx2.AsyncClient(headers={"User-Agent": "remit-python"})
        return self._http

    async def aclose(self) -> None:
        if self._http is not None and self._ours:
            await self._http.aclose()


class _Shared(httpx2.AsyncBaseTransport):
    def __init__(self, opened: Callable[[], httpx2.AsyncClient]) -> None:
        self._opened = opened

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await self._opened().send(request, stream=True, auth=None, follow_redirects=False)


def require_secure(url: object, *, what: str, loopback: bool = True) -> str:
    """The URL, if it is https, or http on this very machine where ``loopback`` permits that.

    Raises:
        Misconfigured: it is anything else. A token must not cross a network in clear.
    """
    if isinstance(url, str):
        try:
            parts = urlsplit(url)
            host = parts.hostname
        except ValueError:
            host = None
        plain_http = loopback and host in _LOOPBACK
        if host and parts.username is None and (parts.scheme == "https" or (parts.scheme == "http" and plain_http)):
            return url
    raise Misconfigured(f"{what} has to be an https URL (http only on loopback)")


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
