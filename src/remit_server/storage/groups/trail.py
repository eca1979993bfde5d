"""The event trail: reading it, and following its chain. Writing happens in `sql/batch`, never here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from remit_server.errors import IntegrityError
from remit_server.records import Event
from remit_server.records.event import KINDS
from remit_server.storage.contract import Engine, Row
from remit_server.storage.sql import chain
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Select


@dataclass(frozen=True, slots=True)
class Verified:
    """A chain that links: how many events, and the hash of the last (hex)."""

    count: int
    head: str


class Link(Struct, frozen=True, kw_only=True):
    """An event as it lies in the chain, for somebody who has not the rest of it."""

    seq: int
    before: bytes
    """The hash of the event before it; empty for the first."""
    hash: bytes
    body: str
    """The event as it was written, byte for byte."""

    @property
    def holds(self) -> bool:
        """Whether its hash is the one that its number, its content and the event before it give."""
        return chain.digest(self.before, self.seq, self.body.encode()) == self.hash

    @property
    def event(self) -> Event:
        """Raises `IntegrityError` for a body that is no event."""
        try:
            return chain.decode(self.body)
        except msgspec.MsgspecError as error:
            raise IntegrityError(f"event {self.seq} is not an event") from error


class Trail:
    _OF_USER = Select(
        t.EVENTS,
        where="user_id = :user_id AND seq < :before",
        tail="ORDER BY seq DESC LIMIT :limit",
        types={"before": "int"},
    )
    _SINCE = Select(
        t.EVENTS,
        where="user_id = :user_id AND seq > :after",
        tail="ORDER BY seq LIMIT 200",
        types={"after": "int"},
    )
    _OF_CLIENT = Select(
        t.EVENTS, where="client_id = :client_id AND seq < :before", tail="ORDER BY seq DESC LIMIT :limit"
    )
    _ABOUT = Select(
        t.EVENTS, where="subject = :subject AND seq > :after", tail="ORDER BY seq LIMIT 500", types={"after": "int"}
    )
    _ABOUT_BEFORE = Select(
        t.EVENTS, where="subject = :subject AND seq < :before", tail="ORDER BY seq DESC LIMIT :limit"
    )
    _AT = Select(t.EVENTS, where="events.seq = :seq")
    _LATEST = Select(t.EVENTS, where="seq < :before", tail="ORDER BY seq DESC LIMIT :limit")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def of_user(self, user_id: str, *, before: int = 2**62, limit: int = 100) -> Sequence[tuple[int, Event]]:
        """(seq, event), newest first."""
        return await self._page(self._OF_USER, {"user_id": user_id, "before": before, "limit": limit})

    async def since(self, user_id: str, after: int) -> Sequence[tuple[int, Event]]:
        """(seq, event), oldest first, 200 at a time."""
        return await self._page(self._SINCE, {"user_id": user_id, "after": after})

    async def of_client(self, client_id: str, *, before: int = 2**62, limit: int = 100) -> Sequence[tuple[int, Event]]:
        return await self._page(self._OF_CLIENT, {"client_id": client_id, "before": before, "limit": limit})

    async def about(self, subject: str, *, after: int = 0) -> Sequence[tuple[int, Event]]:
        """(seq, event) about one id, oldest first, 500 at a time."""
        return await self._page(self._ABOUT, {"subject": subject, "after": after})

    async def latest_about(self, subject: str, *, before: int = 2**62, limit: int = 100) -> Sequence[tuple[int, Event]]:
        """(seq, event) about one id, newest first."""
        return await self._page(self._ABOUT_BEFORE, {"subject": subject, "before": before, "limit": limit})

    async def links(self, subject: str, kinds: Collection[str] = KINDS) -> Sequence[Link]:
        """The events of these kinds about one id, oldest first, with their places in the chain."""
        links: list[Link] = []
        after = 0
        while rows := await self._engine.many(self._ABOUT, {"subject": subject, "after": after}):
            links += [await self._link(row) for row in rows if row["kind"] in kinds]
            after = rows[-1]["seq"]
        return links

    async def _link(self, row: Row) -> Link:
        before = await self._engine.one(self._AT, {"seq": row["seq"] - 1})
        return Link(
            seq=row["seq"], before=chain.octets(before, "hash") if before else b"", hash=chain.octets(row, "hash"),
            body=chain.octets(row, "body").decode(errors="replace"),
        )  # fmt: skip

    async def latest(self, *, before: int = 2**62, limit: int = 100) -> Sequence[tuple[int, Event]]:
        return await self._page(self._LATEST, {"before": before, "limit": limit})

    async def _page(self, select: Select, params: dict[str, object]) -> Sequence[tuple[int, Event]]:
        return [(row["seq"], chain.decode(row["body"])) for row in await self._engine.many(select, params)]

    async def everything(self) -> AsyncIterator[tuple[int, Event, bytes]]:
        """(seq, event, hash) from the first, following the chain; raises `IntegrityError` at the first bad link."""
        async for rows in self._followed():
            for row in rows:
                yield row["seq"], chain.decode(row["body"]), row["hash"]

    async def verify(self) -> Verified:
        """Follow the whole chain; raises `IntegrityError` naming the first event that was changed, moved or removed."""
        count, last = 0, b""
        async for rows in self._followed():
            count, last = rows[-1]["seq"], rows[-1]["hash"]
        return Verified(count, last.hex())

    async def _followed(self) -> AsyncIterator[Sequence[Row]]:
        """The events page by page, each held against the one before, and the last against the head."""
        before, seq = b"", 0
        while True:
            # First the head, then the page: an empty page ends at that head, or events were removed or forged.
            head = await self._engine.one(chain.HEAD, {"id": 1})
            rows = await self._engine.many(chain.PAGE, {"after": seq})
            if not rows:
                break
            before, seq = chain.check(before, seq, rows)
            yield rows
        if head is None:
            raise IntegrityError("the chain has no head")
        if head["seq"] != seq:
            raise IntegrityError(f"the trail ends at event {seq}, but {head['seq']} were written")
        if head["hash"] != before:
            raise IntegrityError("the last event is not the one that was written last")
