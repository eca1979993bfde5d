"""GET /accounts/{id}/log: the use log of an account, as JSON or CSV, for whoever may see the account.

Of an account of the organisation each borrower sees their own events, and its administrators all.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import msgspec

from remit_server.errors import InvalidRequest
from remit_server.records import ConnectedAccount, Event, User
from remit_server.rules import sharing
from remit_server.runtime.machines import Machines
from remit_server.ui.pages.doorkeeper import here, sign_in_first, signed_in
from remit_server.vault import accounts
from remit_server.wire.form import parse_query
from remit_server.wire.http import NO_STORE, Answer, Request, Stream
from remit_server.wire.visitor import visitor

COLUMNS = ("number", "time", "event", "person", "agent", "chain", "about")
KINDS = {"json": "application/json", "csv": "text/csv; charset=utf-8"}


class UseLog:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer | Stream:
        machines = self._machines
        person = signed_in(who := await visitor(request, machines))
        if person is None:
            return await sign_in_first(machines, who, here(request))
        account = await accounts.seen_one(machines, person[0], request.params["id"])
        kind = parse_query(request).get("format") or "json"
        if kind not in KINDS:
            raise InvalidRequest(f"The format must be one of {', '.join(KINDS)}.")
        events = self._events(person[0], account)
        headers = (
            ("content-type", KINDS[kind]),
            ("content-disposition", f'attachment; filename="use-log-{account.id}.{kind}"'),
            ("x-content-type-options", "nosniff"),
            *NO_STORE,
        )
        return Stream(_json(events) if kind == "json" else _csv(events), headers=headers)

    async def _events(self, user: User, account: ConnectedAccount) -> AsyncIterator[tuple[int, Event]]:
        every, after = sharing.may_change(account, user), 0
        while some := await self._machines.store.trail.about(account.id, after=after):
            for seq, event in some:
                if every or event.actor.user == user.id:
                    yield seq, event
            after = some[-1][0]


async def _json(events: AsyncIterator[tuple[int, Event]]) -> AsyncIterator[bytes]:
    """One array; an event a line."""
    before = b"["
    async for seq, event in events:
        yield before + b"\n" + msgspec.json.encode({"seq": seq, **msgspec.to_builtins(event)})
        before = b","
    yield b"[]\n" if before == b"[" else b"\n]\n"


async def _csv(events: AsyncIterator[tuple[int, Event]]) -> AsyncIterator[bytes]:
    yield _row(COLUMNS)
    async for seq, event in events:
        about = "; ".join(f"{name}: {value}" for name, value in event.about.items())
        at = datetime.fromtimestamp(event.at, UTC).isoformat()
        actor = event.actor
        yield _row((str(seq), at, event.kind, actor.user or "", actor.client or "", " ".join(actor.chain), about))


def _row(values: tuple[str, ...]) -> bytes:
    """RFC 4180. A value that a spreadsheet would take for a formula is made text."""
    line = io.StringIO()
    csv.writer(line).writerow(
        f"'{value}" if value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value for value in values
    )
    return line.getvalue().encode(errors="replace")
