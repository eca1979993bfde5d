"""Writing relation tuples: exact, whole or not at all, and each write a revision of its own.

A write reads what is there, judges, and commits a unit whose first step takes the next revision if the store is still where it
was when the reading began. If it is not, somebody else has written: it reads again. Writes of one process to one store do
not fight: those that wait go together, judged one after the other, in one transaction.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec

from remit_server.errors import RemitError
from remit_server.records import Event
from remit_server.rules.relations.tuples import RelationTuple, kind_of
from remit_server.storage.contract import Busy, Engine, Lost, Params, Step, Unit, Unstorable
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Delete, Insert, Select, Update

TOGETHER: Final = 1000
"""How many tuples go into one transaction, and those of the write that reaches it."""
PATIENCE: Final = 30
"""How often a write begins anew because another process was first."""
PAUSE_SECONDS: Final = 0.02

Key = tuple[str, str, str]
Otherwise = Literal["error", "ignore"]


@lru_cache(maxsize=4096)
def number_of(store_id: str) -> int:
    """What a tuple and a change call their store: 6 bytes where its id has 26 characters, some six times a tuple with all indexes.
    Of two stores with one number the database takes the first only."""
    return int.from_bytes(hashlib.sha256(store_id.encode("utf-8", "surrogatepass")).digest()[:6], "big")


class Clash(RemitError):
    """A tuple to write is there already, `differs` from the one there in its condition, or one to delete is `missing`."""

    def __init__(self, tuple_: RelationTuple, why: Literal["there", "differs", "missing"]) -> None:
        self.tuple, self.why = tuple_, why
        super().__init__(f"{tuple_.key}: {why}")


class StoreGone(RemitError):
    """There is no such store, or no longer."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a write has changed: less than was asked for where something was ignored."""

    revision: int
    written: Sequence[RelationTuple]
    deleted: Sequence[RelationTuple]

    def __bool__(self) -> bool:
        return bool(self.written or self.deleted)


@dataclass(frozen=True, slots=True)
class Write:
    """What to delete and, after that, what to write."""

    now: int
    event: Callable[[Done], Event]
    """Tells of what was changed. A write that changes nothing is no event, nor a revision."""
    writes: Sequence[RelationTuple] = ()
    deletes: Sequence[RelationTuple] = ()
    on_duplicate: Otherwise = "error"
    on_missing: Otherwise = "error"


@dataclass(slots=True)
class _Waiting:
    write: Write
    answer: asyncio.Future[Done]


@dataclass(slots=True)
class _Line:
    """Those who wait to write to one store."""

    revision: int
    waiting: deque[_Waiting] = field(default_factory=deque)

    def next(self) -> list[_Waiting]:
        some, size = [], 0
        while self.waiting and size < TOGETHER:
            some.append(one := self.waiting.popleft())
            size += len(one.write.writes) + len(one.write.deletes)
        return some


class Writes:
    _REVISION = Select(t.RELATION_STORES, where="relation_stores.id = :id AND removed_at IS NULL", columns="revision")
    _THERE = Select(
        t.RELATION_TUPLES,
        where="relation_tuples.store = :store AND relation_tuples.object = :object "
        "AND relation_tuples.relation = :relation AND relation_tuples.kind = :kind AND relation_tuples.subject = :subject",
        columns="relation_tuples.condition, relation_tuples.context",
    )
    _NEXT = Update(
        t.RELATION_STORES,
        set="revision = :next",
        where="id = :id AND revision = :revision AND removed_at IS NULL",
        types={"next": "int"},
    )
    _ADD = Insert(t.RELATION_TUPLES)
    _REMOVE = Delete(
        t.RELATION_TUPLES,
        where="relation_tuples.store = :store AND relation_tuples.object = :object "
        "AND relation_tuples.relation = :relation AND relation_tuples.kind = :kind AND relation_tuples.subject = :subject",
    )
    _HOLD = Insert(t.RELATION_HELD)
    _RELEASE = Delete(
        t.RELATION_HELD,
        where="relation_held.store = :store AND relation_held.subject = :subject AND relation_held.relation = :relation "
        "AND relation_held.object = :object AND relation_held.condition = :condition",
    )
    _LOG = Insert(t.RELATION_CHANGES)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lines: dict[str, _Line] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def write(self, store_id: str, revision: int, write: Write) -> Done:
        """All of a write or nothing. `revision` is where the store was when last seen; an older one costs a read.

        Raises `Clash`, `StoreGone`, `Unstorable`, or `Busy` when other processes were first each time.
        """
        answer: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        if line := self._lines.get(store_id):
            line.revision = max(line.revision, revision)
        else:
            line = self._lines[store_id] = _Line(revision)
            # A task of its own: whoever asked first may go away, those behind must not wait for ever.
            task = asyncio.create_task(self._run(store_id, line))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        line.waiting.append(_Waiting(write, answer))
        return await answer

    async def present(self, store_id: str, keys: Sequence[Key]) -> list[RelationTuple]:
        """Those of these tuples that are there."""
        store = number_of(store_id)
        asked: list[Params] = [{"store": store, **_named(key)} for key in keys]
        found = zip(keys, await self._engine.each(self._THERE, asked), strict=True)
        return [RelationTuple(*key, rows[0]["condition"], rows[0]["context"]) for key, rows in found if rows]

    async def _run(self, store_id: str, line: _Line) -> None:
        try:
            while line.waiting:
                await asyncio.sleep(0)  # writes that arrive in the same turn of the loop go together
                await self._together(store_id, line, line.next())
        finally:
            del self._lines[store_id]
            for left in line.waiting:  # the loop is being torn down
                left.answer.cancel()

    async def _together(self, store_id: str, line: _Line, some: list[_Waiting]) -> None:
        try:
            answers = await self._attempts(store_id, line, [one.write for one in some])
        except Unstorable as error:
            if len(some) > 1:  # one of them spoiled it for all
                for one in some:
                    await self._together(store_id, line, [one])
                return
            answers = [error]
        except Exception as error:  # noqa: BLE001 - whatever it was, those who wait must hear of it
            answers = [error] * len(some)
        except asyncio.CancelledError:
            for one in some:
                one.answer.cancel()
            raise
        for one, answer in zip(some, answers, strict=True):
            if one.answer.done():
                continue
            if isinstance(answer, Done):
                one.answer.set_result(answer)
            else:
                one.answer.set_exception(answer)

    async def _attempts(self, store_id: str, line: _Line, writes: Sequence[Write]) -> Sequence[Done | Exception]:
        keys = list({tuple_.key for write in writes for tuple_ in (*write.writes, *write.deletes)})
        for attempt in range(PATIENCE):
            there = {tuple_.key: tuple_ for tuple_ in await self.present(store_id, keys)}
            plan = _Plan(line.revision, dict(there))
            answers = [plan.judge(write) for write in writes]
            if plan.revision == line.revision:  # nothing changes, and what was there was read in one moment
                return answers
            try:
                await self._engine.commit(self._unit(store_id, line.revision, there, plan))
            except Lost as lost:
                if lost.step:
                    raise
            else:
                line.revision = plan.revision
                return answers
            if attempt:
                await asyncio.sleep(random.uniform(0, PAUSE_SECONDS))  # noqa: S311 - no secret: whose turn it is
            row = await self._engine.one(self._REVISION, {"id": store_id})
            if row is None:
                raise StoreGone
            line.revision = row["revision"]
        raise Busy("other processes write to the same relation store")

    def _unit(self, store_id: str, revision: int, there: dict[Key, RelationTuple], plan: _Plan) -> Unit:
        # What was deleted and written again is new, even where it is the same.
        gone = [tuple_ for key, tuple_ in there.items() if key in plan.written_at or key not in plan.there]
        new = [tuple_ for key, tuple_ in plan.there.items() if key in plan.written_at]
        store = number_of(store_id)
        steps = [Step(self._NEXT, {"id": store_id, "revision": revision, "next": plan.revision})]
        if gone:
            rows = [{"store": store, "kind": kind_of(tuple_.subject), **tuple_._asdict()} for tuple_ in gone]
            steps += [Step(self._REMOVE, rows), Step(self._RELEASE, rows)]
        if new:
            rows = [
                {
                    "store": store,
                    "kind": kind_of(tuple_.subject),
                    "created_at": plan.written_at[tuple_.key],
                    **tuple_._asdict(),
                }
                for tuple_ in new
            ]
            steps += [Step(self._ADD, rows), Step(self._HOLD, rows)]
        steps.append(Step(self._LOG, [{"store": store, **change} for change in plan.changes]))
        return Unit(steps, plan.events)


class _Plan:
    """What becomes of the tuples that are there, write by write."""

    def __init__(self, revision: int, there: dict[Key, RelationTuple]) -> None:
        self.revision = revision
        self.there = there
        self.written_at: dict[Key, int] = {}
        self.changes: list[Params] = []
        self.events: list[Event] = []

    def judge(self, write: Write) -> Done | Clash:
        """Take a write into the plan, or leave it out as a whole."""
        deleted: dict[Key, RelationTuple] = {}
        for tuple_ in write.deletes:
            if tuple_.key in self.there:
                deleted[tuple_.key] = RelationTuple(*tuple_.key)
            elif write.on_missing == "error":
                return Clash(tuple_, "missing")
        written: dict[Key, RelationTuple] = {}
        for tuple_ in write.writes:
            old = written.get(tuple_.key) or (None if tuple_.key in deleted else self.there.get(tuple_.key))
            if old is None:
                written[tuple_.key] = tuple_
            elif write.on_duplicate == "error":
                return Clash(tuple_, "there")
            elif not _same(old, tuple_):
                return Clash(tuple_, "differs")
        done = Done(self.revision + 1, tuple(written.values()), tuple(deleted.values()))
        if not done:
            return Done(self.revision, (), ())
        self.revision += 1
        for key in deleted:
            del self.there[key]
        self.there |= written
        self.written_at |= dict.fromkeys(written, write.now)
        self._log("delete", deleted.values(), write.now)
        self._log("write", written.values(), write.now, len(deleted))
        self.events.append(write.event(done))
        return done

    def _log(self, operation: str, tuples: Iterable[RelationTuple], now: int, first: int = 0) -> None:
        for position, tuple_ in enumerate(tuples, first):
            self.changes.append(
                {"revision": self.revision, "position": position, "operation": operation,
                 "type": tuple_.object.partition(":")[0], **tuple_._asdict(), "created_at": now}
            )  # fmt: skip


def _same(one: RelationTuple, other: RelationTuple) -> bool:
    """Whether two tuples say the same, however the JSON of their contexts is spelled."""
    if one[:4] != other[:4] or not (one.context and other.context):
        return one == other
    return _plain(one.context) == _plain(other.context)


def _plain(context: str) -> bytes:
    """One spelling of what is the same: members in order, and 1.0 as 1. As text, since to Python 1 is true as well."""
    return _sorted(_read(context))


_sorted: Final = msgspec.json.Encoder(order="sorted").encode
_read: Final = msgspec.json.Decoder(float_hook=lambda text: _whole(float(text))).decode


def _whole(number: float) -> float | int:
    return int(number) if number.is_integer() else number


def _named(key: Key) -> dict[str, Any]:
    object_, relation, subject = key
    return {"object": object_, "relation": relation, "kind": kind_of(subject), "subject": subject}
