"""A record as a row and back: columns for what is filtered on or changes, `body` for the rest, sealed where the table is secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import msgspec

from remit_server.storage.barrier import Barrier, place_of
from remit_server.storage.contract import Engine, Params, Row, Step
from remit_server.storage.sql.statements import Delete, Insert, Select, Table

R = TypeVar("R", bound=msgspec.Struct)


class Rows(Generic[R]):
    """How records of one type lie in one table. `own` are columns whose values are computed from the record."""

    def __init__(
        self,
        table: Table,
        record: type[R],
        *,
        changing: tuple[str, ...] = (),
        own: Mapping[str, Callable[[R], Any]] | None = None,
        barrier: Barrier | None = None,
    ) -> None:
        self.table = table
        self._changing = changing
        self._barrier = barrier
        self._columns = [name for name in table.columns if name != "body" and name not in (own or {})]
        self._own = dict(own or {})
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(record).decode

    def params(self, record: R) -> Params:
        """The values of all columns of a record's row."""
        params: Params = {name: getattr(record, name) for name in self._columns}
        for name, compute in self._own.items():
            params[name] = compute(record)
        body = self._encode(record)
        params["body"] = self._barrier.seal(body, place_of(self.table, params)) if self._barrier else body
        return params

    def record(self, row: Row) -> R:
        """The record of a row. Raises `IntegrityError` when a sealed row does not open in its place."""
        body = row["body"]
        if self._barrier:
            body = self._barrier.open(body, place_of(self.table, row))
        record = self._decode(body)
        if self._changing:
            record = msgspec.structs.replace(record, **{name: row[name] for name in self._changing})
        return record

    @property
    def beside(self) -> str:
        """What a query over another table selects so that `joined` finds this table's record in its rows."""
        table = self.table.name
        return ", ".join(f"{table}.{name} AS {table}_{name}" for name in ("body", *self._changing))

    def joined(self, row: Row) -> R | None:
        """The record that a row of another table brought along, if it was there."""
        table = self.table.name
        own = {name: row[f"{table}_{name}"] for name in ("body", *self._changing)}
        return None if own["body"] is None else self.record(own)

    def maybe(self, row: Row | None) -> R | None:
        return None if row is None else self.record(row)


class Directory(Generic[R]):
    """Records that are few, read by everybody and changed seldom: kept in memory, forgotten on a wake.

    While the engine does not hear other processes, every read goes to the database.
    """

    def __init__(self, engine: Engine, rows: Rows[R]) -> None:
        (key,) = rows.table.key
        self._engine, self._rows, self._key = engine, rows, key
        self._kept: dict[str, R | None] = {}
        self._generation = 0
        self._get = Select(rows.table, where=f"{rows.table.name}.{key} = :{key}")
        self._all = Select(rows.table, tail=f"ORDER BY {key}")
        self._put = Insert(rows.table, conflict="replace")
        self._add = Insert(rows.table)
        self._remove = Delete(rows.table, where=f"{rows.table.name}.{key} = :{key}")
        engine.listen(self._forget)

    def _forget(self, topic: str) -> None:
        table, _, key = topic.partition(":")
        if topic == "*":
            self._kept.clear()
        elif table == self._rows.table.name:
            self._kept.pop(key, None)
        else:
            return
        self._generation += 1

    async def get(self, key: str) -> R | None:
        if self._engine.hears and key in self._kept:
            return self._kept[key]
        generation = self._generation
        record = self._rows.maybe(await self._engine.one(self._get, {self._key: key}))
        # A wake that came while we read may tell of what we did not see yet. Misses are kept too, but only so many:
        # anybody can invent keys.
        if self._engine.hears and generation == self._generation and (record is not None or len(self._kept) < 10_000):
            self._kept[key] = record
        return record

    async def all(self) -> list[R]:
        return [self._rows.record(row) for row in await self._engine.many(self._all, {})]

    def put(self, record: R) -> Step:
        """Write the record, whether or not it is there."""
        return Step(self._put, params := self._rows.params(record), wake=self.wake(params[self._key]))

    def add(self, record: R) -> Step:
        """Write a new record; loses when its key is taken."""
        return Step(self._add, params := self._rows.params(record), wake=self.wake(params[self._key]))

    def remove(self, key: str) -> Step:
        """Loses when there is no such record."""
        return Step(self._remove, {self._key: key}, wake=self.wake(key))

    def wake(self, key: str) -> str:
        """The topic that makes every process forget this record; the steps above bring it along."""
        return f"{self._rows.table.name}:{key}"
