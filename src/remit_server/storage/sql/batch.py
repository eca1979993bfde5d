"""Group commit without I/O: what a batch of units asks of a transaction, in which order, and what each unit learns.

`play` is a generator: it yields (statement, rows of values), is sent the rows that came back (None where a row changed
nothing), and ends when the transaction may commit, with the head of the chain if it knows it. Each engine drives it with
its own driver.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from remit_server.errors import IntegrityError
from remit_server.records.event import Event
from remit_server.storage.contract import Lost, Params, Row, Unit
from remit_server.storage.sql import chain
from remit_server.storage.sql.chain import Head
from remit_server.storage.sql.statements import Insert, Statement

Ask = tuple[Statement, list[Params]]
Rows = Sequence[Row | None]
Play = Generator[Ask, Rows, Head | None]


@dataclass(slots=True)
class Counts:
    """Of this process, since it started."""

    units: int = 0
    batches: int = 0


COUNTS = Counts()


@dataclass(slots=True)
class Work:
    """A unit on its way, and what became of it."""

    unit: Unit
    rows: list[Row | None] = field(default_factory=list)
    lost: Lost | None = None
    error: Exception | None = None

    def reset(self) -> None:
        self.rows, self.lost, self.error = [], None, None

    def answer(self, done: asyncio.Future[list[Row | None]]) -> None:
        """Tell the caller, unless it was cancelled and no longer waits."""
        if done.done():
            return
        if error := self.error or self.lost:
            done.set_exception(error)
        else:
            done.set_result(self.rows)


def play(batch: Sequence[Work], left: Head | None = None) -> Play:
    """Run all units' first steps, statement by statement, then the second steps of those still alive, and so on."""
    COUNTS.batches += 1
    COUNTS.units += len(batch)
    alive = list(batch)
    for i in range(max((len(work.unit.steps) for work in batch), default=0)):
        together: dict[Statement, list[Work]] = {}
        for work in alive:
            if i < len(work.unit.steps):
                together.setdefault(work.unit.steps[i].statement, []).append(work)
        # In an order that all processes share, so that two of them seldom wait for each other's rows crosswise.
        for statement, works in sorted(together.items(), key=lambda item: item[0].table.name):
            rows = iter((yield statement, [params for work in works for params in work.unit.steps[i].rows]))
            for work in works:
                own = [next(rows) for _ in work.unit.steps[i].rows]
                row = own[0] if all(each is not None for each in own) else None
                work.rows.append(row)
                if row is None and not work.unit.steps[i].may_miss:
                    work.lost = Lost(i)
        alive = [work for work in alive if work.lost is None]
    events = [event for work in alive for event in work.unit.events]
    return (yield from _linked(events, left)) if events else left


def _linked(events: Sequence[Event], left: Head | None) -> Generator[Ask, Rows, Head]:
    """Add events to the chain: first where this process left it, which mostly is where it ends, and where it does end, under
    its lock, when another process has moved it meanwhile."""
    moved: Head | None = None
    if left:
        rows, moved = chain.link(left, events)
        if None not in (yield chain.ADD, rows):
            return moved
    (row,) = yield chain.TAKE_HEAD, [{"id": 1}]
    assert row is not None, "the migration made the chain's head"
    found = Head(row["seq"], row["hash"])
    if found != moved:  # else we moved it ourselves, and the numbers were taken all the same
        rows, moved = chain.link(found, events)
        if None not in (yield chain.ADD, rows):
            return moved
    raise IntegrityError(chain.UNLINKED)


def one_statement(batch: Sequence[Work]) -> bool:
    """Whether one statement is all that the batch asks for, as far as one can tell before: events alone, which mostly are linked
    to where this process left the chain, or one row of each unit into the same table. To announce a topic is a second one."""
    steps = [step for work in batch for step in work.unit.steps]
    if wakes(batch) or len({step.statement for step in steps}) > 1:
        return False
    if any(work.unit.events for work in batch):
        return not steps
    rows = steps and isinstance(steps[0].statement, Insert) and steps[0].statement.conflict == "lose"
    return bool(rows) and all(len(work.unit.steps) == 1 for work in batch)


def wakes(batch: Sequence[Work]) -> list[str]:
    """The topics to announce with this batch, each once. A lost unit's too: its first steps may have changed something."""
    written = [work.unit for work in batch if work.error is None]
    own = [topic for unit in written for topic in unit.wakes]
    return list(dict.fromkeys(own + [step.wake for unit in written for step in unit.steps if step.wake]))
