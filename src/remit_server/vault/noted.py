"""A proxied call as it is written down: the note that it began, the event of how it ended, and what stops it in between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import structlog

from remit_server.errors import AccessDenied, RemitError
from remit_server.records import Event, ProxiedCall
from remit_server.runtime.machines import Machines
from remit_server.runtime.outbound import Opened
from remit_server.storage.contract import Lost, Step

SOON: Final = 0.25
"""Seconds in which the answer to a read must be there in whole; otherwise the call is noted while it is under way."""
FORGOTTEN: Final = 60
"""Seconds beyond the longest call, after which one without an end has lost its server."""

log = structlog.get_logger("remit")


@dataclass
class UnderWay:
    """The calls of this process that have not ended."""

    by_topic: dict[str, set[Noted]] = field(default_factory=dict)
    """Of what they hang on."""
    untold: bool = False
    """Whether the event of the call that ended last could not be written. While that is so, each is noted first."""


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
        written = False
        try:
            await self._machines.store.commit(*await self._note_goes(), events=(event,))
            written = True
        except RemitError as error:  # a note stays, and `close_forgotten` finds it
            log.warning("the end of a proxied call was not written", call=self._record.id, fault=str(error))
        finally:
            self._under_way.untold = not written
        return written

    async def _note_goes(self) -> tuple[Step, ...]:
        if self._note is None:
            return ()
        await asyncio.wait((self._note,))
        step = self._machines.store.proxied_calls.end(self._record.id)
        return (replace(step, may_miss=self._note.exception() is not None),)


def _event(machines: Machines, call: ProxiedCall, outcome: dict[str, Any]) -> Event:
    return machines.event(
        "vault.proxied", user=call.user_id, client=call.client_id, chain=call.chain, subject=call.account_id,
        address=call.address, **call.about, **outcome,
    )  # fmt: skip


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
