"""GET /approvals/events: the inbox as it changes, in server-sent events (HTML Living Standard section 9.2).

For the pages of the signed-in person. A message has what a row of the inbox shows and no more; nothing can be answered here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

import msgspec

from remit_server.approvals.channels.inbox import Inbox
from remit_server.errors import InvalidRequest, LoginRequired
from remit_server.records import Event
from remit_server.rules.visible import reveal
from remit_server.runtime.machines import Machines
from remit_server.ui.pages.doorkeeper import signed_in
from remit_server.ui.telling import asked_for
from remit_server.ui.wording import ago, initial, left, segment
from remit_server.wire.form import parse_query
from remit_server.wire.http import Request, Stream
from remit_server.wire.visitor import visitor

HEADERS: Final = (
    ("content-type", "text/event-stream; charset=utf-8"),
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-accel-buffering", "no"),  # nginx would keep it until it has more
)


class Events:
    def __init__(self, machines: Machines, inbox: Inbox) -> None:
        self._machines, self._inbox = machines, inbox

    async def __call__(self, request: Request) -> Stream:
        person = signed_in(await visitor(request, self._machines))
        if person is None:
            raise LoginRequired("Sign in first.")
        user_id = person[0].id
        last = request.header("last-event-id") or parse_query(request).get("after") or "0"
        if not last.isdecimal() or len(last) > 18:
            raise InvalidRequest("That is not a place in this stream.")
        await request.body()  # there is none, but only then is it known when the reader goes
        messages = self._messages(request, user_id, int(last))
        first = await anext(messages)  # takes the place, or is refused while that can still be said
        return Stream(_together(first, messages), headers=HEADERS)

    async def _messages(self, request: Request, user_id: str, after: int) -> AsyncGenerator[bytes, None]:
        async def alive() -> bool:
            person = signed_in(await visitor(request, self._machines))
            return person is not None and person[0].id == user_id

        with self._inbox.place(user_id) as place:
            yield b"retry: 2000\n\n"
            gone = asyncio.ensure_future(request.hung_up())
            async for happening in self._inbox.happenings(place, after, alive, gone):
                if happening is None:
                    yield b": still here\n\n"
                elif (row := await self._row(happening[1])) is not None:
                    yield b"id: %d\nevent: %s\ndata: %s\n\n" % (happening[0], *row)
        if not await alive():
            yield b"event: over\ndata: {}\n\n"

    async def _row(self, event: Event) -> tuple[bytes, bytes] | None:
        """A request that waits as its row shows it; one that does not wait any more by its id. None: it is not in the inbox."""
        machines, now = self._machines, self._machines.clock.now()
        approval = await machines.store.approvals.get(event.subject or "")
        if approval is None or approval.kind == "device":
            return None
        if (
            event.kind not in {"approval.asked", "approval.answered_question"}
            or approval.state not in {"pending", "info_requested"}
            or approval.expires_at <= now
        ):
            return b"closed", msgspec.json.encode({"id": approval.id})
        client = await machines.store.clients.get(approval.client_id)
        name = client.name if client else approval.client_id
        shown: dict[str, Any] = {
            "id": approval.id,
            "href": f"/approvals/{segment(approval.id)}",
            "initial": initial(name),
            "agent": reveal(name),
            "act": reveal((await asked_for(machines, approval)).sentence),
            "asked": ago(approval.created_at, now),
            "said": "replied to you" if approval.thread else "",
            "odd": reveal(next(iter(approval.risk_why + approval.unusual), "")),
            "left": left(approval.expires_at, now),
            "until": approval.expires_at,
            "now": now,
        }
        return b"asked", msgspec.json.encode(shown)


async def _together(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(rest):
        yield first
        async for each in rest:
            yield each
