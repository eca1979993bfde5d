"""A proxied call from its first note to its last byte: what is written down of it, and its answer on the way to the agent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

import structlog
from msgspec import Struct

from remit_server.errors import AccessDenied, Forbidden, ProtocolError, RemitError
from remit_server.records import Connection, Event, ProxiedCall
from remit_server.rules import proxying
from remit_server.rules.echo import Inflate, Mask, spellings
from remit_server.rules.proxying import Call
from remit_server.runtime.machines import Machines
from remit_server.runtime.outbound import Opened, OutboundRefused, TooSlow
from remit_server.storage.contract import Busy, Lost, Step
from remit_server.wire.http import Gone, Request, Send

FORGOTTEN: Final = 60
"""Seconds beyond the longest call, after which one without an end has lost its server."""
SOON: Final = 0.25
"""Seconds in which the answer to a read must be there in whole; otherwise the call is noted while it is under way."""
SHORT: Final = 64 * 1024
"""Bytes of an answer that is held until its event is written."""
TOO_LARGE: Final = "The provider's answer is too large to be passed on."
PASSED: Final = "remit-upstream"
"""The header that tells a provider's answer from one of Remit's own; its value is the host."""

log = structlog.get_logger("remit")

T = TypeVar("T")


class Stopped(Forbidden):
    """What the call hangs on was taken away while it was under way."""


@dataclass
class UnderWay:
    """The calls of this process that have not ended."""

    by_topic: dict[str, set[Noted]] = field(default_factory=dict)
    """Of what they hang on."""
    untold: bool = False
    """Whether the last call without a note could not have its event either. While that is so, each is noted first."""


class Noted:
    """A call that has begun, and what there is to say of it when it ends."""

    def __init__(
        self, machines: Machines, record: ProxiedCall, *, still: Callable[[], Awaitable[None]],
        hangs_on: Sequence[str], under_way: UnderWay, used: Sequence[Step],
    ) -> None:  # fmt: skip
        """`still` raises when the call may not go on; `hangs_on` are the topics upon which it is asked again; `used` is written
        with the note."""
        self._machines, self._record, self._still, self._used = machines, record, still, used
        self._hangs_on, self._under_way = hangs_on, under_way
        self._note: asyncio.Future[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False
        self.late: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the note is being written."""
        self.stopped: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Why the call may not go on, once it may not."""
        self.about: dict[str, Any] = {}
        self.opened: Opened | None = None
        """The answer under way; it is let go when the call ends."""
        self.sent = self.received = 0
        for topic in hangs_on:
            under_way.by_topic.setdefault(topic, set()).add(self)

    async def begin(self) -> None:
        """Returns when the note is written: from here on the call has an event, whatever happens to us. Raises `Lost` when the
        account, or the person's word, was taken back, and `Busy`."""
        self._write_note()
        assert self._note is not None, "it is being written"
        await asyncio.shield(self._note)

    def begin_soon(self) -> None:
        """Write the note if the call has not ended by then."""
        self._timer = asyncio.get_running_loop().call_later(SOON, self._write_note)

    def _write_note(self) -> None:
        if self._note is None:
            store = self._machines.store
            writing = store.commit(*self._used, store.proxied_calls.begin(self._record))
            self._note = task = asyncio.ensure_future(writing)
            self._machines.background.hold(task)
            self.late.set_result(None)

    def stop(self, why: str) -> None:
        """Whoever waits for the call hears `Stopped`."""
        if not self.stopped.done():
            self.stopped.set_result(why)

    async def look_again(self) -> None:
        """Stop, unless it is as it was. What cannot be found out is no."""
        try:
            await self._still()
        except AccessDenied as error:
            self.stop(error.text)
        except RemitError:
            self.stop("The account is not lent to this client any more.")

    def forget(self) -> None:
        """It is not under way any more."""
        if self._timer is not None:
            self._timer.cancel()
        by_topic = self._under_way.by_topic
        for topic in self._hangs_on:
            by_topic[topic].discard(self)
            if not by_topic[topic]:
                del by_topic[topic]

    async def end(self, how: str | None = None, *, wait: bool = True) -> bool:
        """Let go of the answer and write the event; the first end counts. It is written although the agent is gone and the
        request cancelled. Whether it is written, if one waits for it."""
        if self._ended:
            return False
        self._ended = True
        if self.opened is not None:
            self._machines.background.start(self.opened.close())
        self.forget()
        about = {**self.about, "sent": self.sent, "received": self.received} | ({"ended": how} if how else {})
        writing = asyncio.ensure_future(self._write(_event(self._machines, self._record, about)))
        self._machines.background.hold(writing)
        return await asyncio.shield(writing) if wait else False

    async def _write(self, event: Event) -> bool:
        try:
            await self._machines.store.commit(*await self._note_goes(), events=(event,))
        except RemitError as error:  # a note stays, and `close_forgotten` finds it
            log.warning("the end of a proxied call was not written", call=self._record.id, fault=str(error))
            self._under_way.untold = self._note is None
            return False
        self._under_way.untold = False
        return True

    async def _note_goes(self) -> tuple[Step, ...]:
        if self._note is None:
            return ()
        await asyncio.wait((self._note,))
        step = self._machines.store.proxied_calls.end(self._record.id)
        return (replace(step, may_miss=self._note.exception() is not None),)


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
        opened, call, secrets = passing.opened, passing.call, passing.secrets
        self._machines, self._request, self._noted = machines, request, noted
        self._opened, self._ends = opened, passing.ends
        self._mask = Mask(secrets, part=opened.status == 206)
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
        spelled = spellings(secrets)
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
        """The body, unpacked and counted."""
        if self._bodiless:
            return
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


def _event(machines: Machines, call: ProxiedCall, outcome: dict[str, Any]) -> Event:
    return machines.event(
        "vault.proxied", user=call.user_id, client=call.client_id, chain=call.chain, subject=call.account_id,
        address=call.address, **call.about, **outcome,
    )  # fmt: skip


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


async def close_forgotten(machines: Machines) -> int:
    """Write the events of calls whose server died before it could; how many."""
    store, count = machines.store, 0
    before = machines.clock.now() - machines.settings.proxy_time - FORGOTTEN
    for call in await store.proxied_calls.begun_before(before):
        try:
            event = _event(machines, call, {"ended": "unknown"})
            await store.commit(store.proxied_calls.end(call.id), events=(event,))
        except Lost:
            continue  # another node was first
        count += 1
    return count
