"""What storage promises, whichever database is behind it.

**A unit is the whole of one request's writing.** It is a row of steps, then events. Steps run in order; a step that finds
no row to change (or, for an insert, a row already there) has *lost*, the steps after it and the events do not happen, and
`commit` raises `Lost`. Steps before the lost one stay: a burned `jti` stays burned though the code was already spent.
Put what may stay first, the one deciding step next, and what follows from it last.

**Use once is one step.** A deciding step is a single compare-and-set (`UPDATE … WHERE used_at IS NULL`). Of N units racing
for one row, in one batch, in several processes, on several machines, exactly one does not lose.

**Acknowledged means durable.** `commit` returns only after the transaction that holds the unit is on disk. Units of
concurrent requests share a transaction; one that the database refuses is tried again alone, so a bad row fails its own
request only.

**Events belong to the transaction** of what they tell. They get a gapless `seq` and a hash that covers their content and
the hash before: there is one chain per database, linked under one lock. No event, no effect.

**Reads** see every unit whose `commit` returned before the read began, in any process of the same database (PostgreSQL:
through its own read-committed snapshot; SQLite: WAL). A read never waits for a writer.

**Bounded.** More than `queue_limit` units waiting, or a database that is away: `Busy`, which the edge answers with 503
and Retry-After. A unit that met `Busy` or a cancelled caller may have been written all the same: asking again is safe,
because what decides is "once". Closing drains what was accepted.

**Values that no database can hold**, such as a lone surrogate or an integer beyond 64 bits, come from a client's bad
input: to write one raises `Unstorable`, to read by one finds nothing.

**Wakes** are hints sent after a commit to every process (`NOTIFY` on PostgreSQL): a topic such as `clients:ID`. They may be
lost; a process that may have missed some is told by the topic `*` and forgets all it had cached. On SQLite another
process is noticed within a quarter of a second, by the topic `*`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from remit_server.errors import InvalidRequest, RemitError, TemporarilyUnavailable
from remit_server.records.event import Event
from remit_server.storage.sql.statements import Select, Statement

Row = Mapping[str, Any]
Params = dict[str, Any]
Wake = Callable[[str], None]


class Lost(RemitError):
    """The deciding step found nothing to change: somebody else was first, or the time was up. `step` counts from 0."""

    def __init__(self, step: int) -> None:
        self.step = step
        super().__init__(f"step {step} lost")


class Busy(TemporarilyUnavailable):
    """The write queue is full or the database is away."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail=detail, headers={"Retry-After": "1"})


class Unstorable(InvalidRequest):
    """A value that the database cannot hold."""

    text = "A parameter has characters or a size that cannot be stored."


@dataclass(frozen=True, slots=True)
class Step:
    """One statement with its values, or with those of many rows, which go to the database together: such a step changes
    nothing when one of its rows changes nothing, though others of its rows may stay changed. A step that `may_miss` does not
    lose the unit when it changes nothing.

    `wake` is announced when the unit is written: a step that changes what others have cached brings its topic along.
    """

    statement: Statement
    params: Params | Sequence[Params]
    may_miss: bool = False
    wake: str | None = None

    @property
    def rows(self) -> Sequence[Params]:
        """The values row by row; at least one."""
        return [self.params] if isinstance(self.params, dict) else self.params


@dataclass(frozen=True, slots=True)
class Unit:
    """All that one request writes."""

    steps: Sequence[Step] = ()
    events: Sequence[Event] = ()
    wakes: Sequence[str] = ()


class Engine(Protocol):
    """A database."""

    dialect: str
    """`sqlite` or `postgresql`."""

    @property
    def hears(self) -> bool:
        """Whether wakes of other processes arrive now. While they do not, nobody may trust what it has cached."""

    async def one(self, select: Select, params: Params) -> Row | None:
        """The one row that a point read finds."""

    async def few(self, select: Select, params: Params) -> Sequence[Row]:
        """The handful of rows that a point read brings when it joins others to its one, in their order."""

    async def each(self, select: Select, asked: Sequence[Params]) -> Sequence[Sequence[Row]]:
        """The rows of many point reads, in their order, found by one statement however many they are. Rows of one read come in
        any order. Values are texts and integers."""

    async def many(self, select: Select, params: Params) -> Sequence[Row]:
        """All rows that a listing finds, in its order."""

    async def commit(self, unit: Unit) -> list[Row | None]:
        """Write a unit. Answers a row for each step, in order: what its statement is `returning` (be it nothing) for its first
        row of values, or None where a step that may miss has missed. Raises `Lost`, `Busy` or `Unstorable`."""

    def listen(self, wake: Wake) -> None:
        """Call `wake(topic)` for every wake from now on, on the event loop."""

    async def close(self) -> None:
        """Drain, then let go."""
