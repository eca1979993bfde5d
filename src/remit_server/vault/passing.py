"""A provider's answer on its way to the agent, without the credential, and never without a trace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final, TypeVar

from msgspec import Struct

from remit_server.errors import Forbidden, ProtocolError
from remit_server.records import Connection
from remit_server.rules import proxying
from remit_server.rules.echo import Inflate, Mask
from remit_server.rules.proxying import Call
from remit_server.runtime.machines import Machines
from remit_server.runtime.outbound import Opened, OutboundRefused, TooSlow
from remit_server.storage.contract import Busy
from remit_server.vault.noted import Noted
from remit_server.wire.http import Gone, Request, Send

SHORT: Final = 64 * 1024
"""Bytes of an answer that is held until its event is written."""
TOO_LARGE: Final = "The provider's answer is too large to be passed on."
PASSED: Final = "remit-upstream"
"""The header that tells a provider's answer from one of Remit's own; its value is the host."""

T = TypeVar("T")


class Stopped(Forbidden):
    """What the call hangs on was taken away while it was under way."""


class Passing(Struct, frozen=True, kw_only=True):
    """What an answer is to, and what must not be in it."""

    call: Call
    connection: Connection
    opened: Opened
    secrets: tuple[str, ...]
    ends: float
    """When the whole call is over, by the event loop's clock."""

    def __repr__(self) -> str:
        return "Passing()"


class Passed:
    """A provider's answer on its way to the agent."""

    def __init__(self, machines: Machines, request: Request, noted: Noted, passing: Passing) -> None:
        """Raises `OutboundRefused` when the answer cannot be passed on."""
        opened, call = passing.opened, passing.call
        self._machines, self._request, self._noted = machines, request, noted
        self._opened, self._ends = opened, passing.ends
        self._mask = Mask(passing.secrets, part=opened.status == 206)
        self._bodiless = call.method == "HEAD" or opened.status in {204, 304}
        said: dict[str, str] = {}
        for name, value in opened.headers:  # one that is repeated is a list (RFC 9110 section 5.3)
            said[name.lower()] = f"{said[name.lower()]}, {value}" if name.lower() in said else value
        self._inflate = None if self._bodiless else _unpacking(said.get("content-encoding"), opened.status)
        announced = None if self._inflate else proxying.length_of(said)
        if announced is not None and announced > machines.settings.proxy_largest_answer and not self._bodiless:
            raise OutboundRefused(TOO_LARGE)
        if opened.status < 200:
            raise OutboundRefused(detail=f"the provider answered {opened.status}")
        spelled = self._mask.spelled
        self.headers = proxying.returned(opened.headers, secrets=spelled)
        self._sized = announced is not None and opened.status != 204
        if self._sized:
            self.headers.append(("content-length", str(announced)))
        here = machines.settings.url(f"/vault/proxy/{passing.connection.name}")
        for name, back in (("location", proxying.mapped_back), ("link", proxying.links_back)):
            to = back(said[name], call, passing.connection, here) if name in said else None
            self.headers += [(name, to)] if to and not any(text in to for text in spelled) else []
        self.headers.append((PASSED, call.host))
        self._incoming = self._pieces()
        self._coming: asyncio.Future[bytes | None] | None = None
        """The next piece, when somebody waited for it and had to do something else."""
        self._held, self._whole = b"", False

    async def traced(self) -> None:
        """Returns when nothing of the answer is handed out without a trace: the whole of it is here, and the event written; or the
        note is, where it is long or takes its time. Raises `Busy` when neither can be, `OutboundRefused`."""
        try:
            self._whole = await self._read_ahead()
            await (self._told() if self._whole else self._noted.begin())
        except BaseException:
            if self._coming is not None:
                self._coming.cancel()
            raise

    async def _told(self) -> None:
        if not await self._end():
            raise Busy("the event of a call could not be written")

    async def _read_ahead(self) -> bool:
        """Whether the answer is short and soon there; then it is all here."""
        while not self._noted.late.done() and len(self._held) <= SHORT:
            self._coming = asyncio.ensure_future(anext(self._incoming, None))
            await asyncio.wait((self._coming, self._noted.late), return_when=asyncio.FIRST_COMPLETED)
            if not self._coming.done():
                break
            piece, self._coming = self._coming.result(), None
            if piece is None:
                self._held += self._mask.end()
                return True
            self._held += self._mask.feed(piece)
        return False

    async def send(self, send: Send) -> None:
        """Pass it on. When the rest does not come, the connection to the agent is cut: a cut answer must not look whole."""
        headers = [(name.encode(), value.encode("latin-1")) for name, value in self.headers]
        start = {"type": "http.response.start", "status": self._opened.status, "headers": headers}
        if self._whole:
            await send(start)
            await send({"type": "http.response.body", "body": self._held})
            return
        how: str | None = None
        try:
            async with asyncio.timeout_at(self._ends):
                await unless_gone(self._request, self._pass_on(send, start), self._noted.stopped)
        except (ProtocolError, TimeoutError) as error:
            how = why(error)
        except BaseException as error:
            how = why(error)
            raise
        finally:
            await self._end(how)

    async def _pass_on(self, send: Send, start: dict[str, Any]) -> None:
        await send(start)
        if self._held:
            await send({"type": "http.response.body", "body": self._held, "more_body": True})
        coming, self._coming = self._coming, None
        while (piece := await (coming or anext(self._incoming, None))) is not None:
            coming = None
            if piece := self._mask.feed(piece):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        rest = self._mask.end()
        # Whoever counts the bytes has them all by now; for others the end of the answer is that of the writing.
        await self._end(wait=not self._sized)
        await send({"type": "http.response.body", "body": rest})

    async def _end(self, how: str | None = None, *, wait: bool = True) -> bool:
        self._noted.about |= {"masked": True} if self._mask.found else {}
        return await self._noted.end(how, wait=wait)

    async def _pieces(self) -> AsyncIterator[bytes]:
        """The body, unpacked and counted. An answer without one is read to its end as well: that keeps its connection."""
        most = self._machines.settings.proxy_largest_answer
        async for packed in self._opened.pieces():
            try:
                for piece in self._inflate.feed(packed) if self._inflate else (packed,):
                    self._noted.received += len(piece)
                    if self._noted.received > most:
                        raise OutboundRefused(TOO_LARGE)
                    yield piece
            except ValueError as error:
                raise OutboundRefused(detail=str(error)) from error
        if self._inflate and not self._inflate.whole:
            raise OutboundRefused(detail="the packed body is cut")


def _unpacking(coding: str | None, status: int) -> Inflate | None:
    """A packed body would hide what it holds."""
    coding = (coding or "identity").strip().lower()
    if coding == "identity":
        return None
    if status == 206 or not Inflate.takes(coding):
        raise OutboundRefused(f"The provider's answer is packed as {coding[:20]!r}, although it was asked not to.")
    return Inflate(coding)


def why(error: BaseException) -> str:
    """How a call ended that did not end well, for the trail."""
    match error:
        case Gone() | asyncio.CancelledError():
            return "the client left"
        case Stopped():
            return error.text
        case TimeoutError() | TooSlow():
            return "timed out"
        case ProtocolError():
            return error.code
        case _:
            return "failed"


async def unless_gone(request: Request, work: Coroutine[Any, Any, T], stopped: asyncio.Future[str]) -> T:
    """The work's result. Raises `Gone` when whoever asked hangs up, `Stopped` when that is done first; the work is cancelled
    then."""
    loop = asyncio.get_running_loop()
    leaving, working = loop.create_task(request.hung_up()), loop.create_task(work)
    try:
        await asyncio.wait((leaving, working, stopped), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Stopped(stopped.result()) if stopped.done() else Gone
        return working.result()
    finally:
        for task in (leaving, working):
            task.cancel()
        await asyncio.gather(leaving, working, return_exceptions=True)
