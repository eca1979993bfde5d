"""Relation tuples, object # relation @ subject, in stores; and every change that was made to them.

A store's `revision` counts its writes. A write takes the next number in the step that decides it, in one transaction with the
tuples, so whoever read revision r finds all that was written up to it, and what was read between two equal revisions is the
whole truth of that one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from remit_server.rules.relations.tuples import RelationTuple, kind_of
from remit_server.storage.contract import Engine, Params, Row, Step
from remit_server.storage.groups.relation_facts import LAST, Facts, within
from remit_server.storage.groups.relation_writes import Writes, number_of
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Delete, Insert, Kind, Select, Table, Update

__all__ = ["Change", "RelationStore", "RelationTuple", "Relations"]

SWEPT_AT_ONCE: Final = 500
"""Rows of a removed store in one transaction: requests that write meanwhile wait for no more than this."""
LATEST: Final = 2**62
"""After every position."""

_WHOLE: Final = "CROSS JOIN relation_tuples AS whole"
_OF_SUBJECT: Final = (
    "relation_held.store = :store AND relation_held.subject = :subject AND relation_held.object BETWEEN :first AND :last "
    "AND whole.store = :store AND whole.object = relation_held.object AND whole.relation = relation_held.relation "
    "AND whole.kind = :kind AND whole.subject = :subject"
)
_PLACE: Final[dict[str, Kind]] = dict.fromkeys(
    ("object_", "relation_", "kind_", "subject_", "kind", "first", "last"), "text"
)
"""The tuple after which a page begins, and the objects among which it looks."""


class RelationStore(Struct, frozen=True, kw_only=True):
    """A set of tuples, under the newest of its models unless a question names another."""

    id: str
    name: str
    revision: int = 0
    model_id: str = ""
    """The newest model; empty while there is none."""
    created_at: int = 0
    updated_at: int = 0


class Change(NamedTuple):
    """A tuple that was written or deleted. Changes of one write have one revision and count their positions from 0."""

    revision: int
    position: int
    operation: Literal["write", "delete"]
    tuple: RelationTuple
    """A deleted one is named by its key alone."""
    at: int


class Relations:
    _STORE = Select(t.RELATION_STORES, where="relation_stores.id = :id AND removed_at IS NULL")
    _STORES = Select(t.RELATION_STORES, where="id > :after AND removed_at IS NULL", tail="ORDER BY id LIMIT :size",
                     types={"after": "text"})  # fmt: skip
    _STORES_NAMED = Select(
        t.RELATION_STORES,
        where="name = :name AND id > :after AND removed_at IS NULL",
        tail="ORDER BY id LIMIT :size",
        types={"after": "text"},
    )
    # Up to the second, which says that there are several: of many that define a type, the rest is not read. LEFT, which SQLite
    # does not reorder.
    _DEFINING = Select(
        t.RELATION_TYPES,
        columns="relation_stores.*",
        join="LEFT JOIN relation_stores ON relation_stores.id = relation_types.store_id AND relation_stores.removed_at IS NULL",
        where="relation_types.type = :type AND relation_types.store_id <= coalesce((SELECT second.store_id "
        "FROM relation_types AS second WHERE second.type = :type ORDER BY second.store_id LIMIT 1 OFFSET 1), '~')",
    )
    _ADD_STORE = Insert(t.RELATION_STORES)
    _REMOVE_STORE = Update(t.RELATION_STORES, set="removed_at = :now", where="id = :id AND removed_at IS NULL")

    _REMOVED = Select(t.RELATION_STORES, columns="id", where="removed_at IS NOT NULL")
    _FORGET_STORE = Delete(t.RELATION_STORES, where="relation_stores.id = :id AND removed_at IS NOT NULL")

    _READ = Select(
        t.RELATION_TUPLES,
        where="store = :store AND (object, relation, kind, subject) > (:object_, :relation_, :kind_, :subject_)",
        tail="ORDER BY object, relation, kind, subject LIMIT :size",
        types=_PLACE,
    )
    _READ_OBJECT = Select(
        t.RELATION_TUPLES,
        where="store = :store AND object = :object AND (relation, kind, subject) > (:relation_, :kind_, :subject_) "
        "AND (subject = :subject OR :subject = '')",
        tail="ORDER BY relation, kind, subject LIMIT :size",
        types=_PLACE,
    )
    _READ_RELATION = Select(
        t.RELATION_TUPLES,
        where="store = :store AND object = :object AND relation = :relation AND (kind, subject) > (:kind_, :subject_)",
        tail="ORDER BY kind, subject LIMIT :size",
        types=_PLACE,
    )
    _READ_TUPLE = Select(
        t.RELATION_TUPLES,
        where="relation_tuples.store = :store AND relation_tuples.object = :object "
        "AND relation_tuples.relation = :relation AND relation_tuples.kind = :kind AND relation_tuples.subject = :subject",
    )
    # CROSS, which SQLite does not reorder.
    _READ_SUBJECT = Select(
        t.RELATION_HELD,
        columns="whole.*",
        join=_WHOLE,
        where=f"{_OF_SUBJECT} AND (relation_held.relation, relation_held.object) > (:relation_, :object_)",
        tail="ORDER BY relation_held.relation, relation_held.object LIMIT :size",
        types=_PLACE,
    )
    _READ_SUBJECT_RELATION = Select(
        t.RELATION_HELD,
        columns="whole.*",
        join=_WHOLE,
        where=f"{_OF_SUBJECT} AND relation_held.relation = :relation AND relation_held.object > :object_",
        tail="ORDER BY relation_held.object LIMIT :size",
        types=_PLACE,
    )

    _COUNT = Select(
        t.RELATION_STORES,
        columns="tally.tuples",
        join="JOIN (SELECT COUNT(*) AS tuples FROM (SELECT 1 FROM relation_tuples WHERE relation_tuples.store = :store "
        "LIMIT :most) AS counted) AS tally ON 1 = 1",
        where="relation_stores.id = :id",
    )

    _CHANGES = Select(
        t.RELATION_CHANGES,
        where="store = :store AND (revision, position) > (:revision, :position)",
        tail="ORDER BY revision, position LIMIT :size",
    )
    # In the order of the index by type, and of no other: else a rare type is looked for among all changes.
    _CHANGES_OF_TYPE = Select(
        t.RELATION_CHANGES,
        where="store = :store AND (revision, position) IN (SELECT one.revision, one.position FROM relation_changes AS one "
        "WHERE one.store = :store AND (one.type, one.revision, one.position) > (:type, :revision, :position) "
        "AND one.type <= :type ORDER BY one.type, one.revision, one.position LIMIT :size)",
        tail="ORDER BY revision, position",
    )
    _FIRST_SINCE = Select(
        t.RELATION_CHANGES,
        columns="revision",
        where="store = :store AND position = 0 AND created_at >= :since",
        tail="ORDER BY created_at, revision LIMIT 1",
    )

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writes = Writes(engine)
        self.write = self._writes.write
        self.facts = Facts(engine).facts

    # stores

    async def store(self, store_id: str) -> RelationStore | None:
        row = await self._engine.one(self._STORE, {"id": store_id})
        return None if row is None else _store(row)

    async def store_named(self, name: str) -> RelationStore | None:
        """The oldest of this name."""
        return next(iter(await self.stores(name=name, size=1)), None)

    async def stores(self, *, after: str = "", size: int = 100, name: str = "") -> list[RelationStore]:
        """At most `size` stores in the order of their ids, from the one after `after`; all, or those of a name."""
        params: Params = {"after": after, "size": size}
        if name:
            return [_store(row) for row in await self._engine.many(self._STORES_NAMED, {**params, "name": name})]
        return [_store(row) for row in await self._engine.many(self._STORES, params)]

    async def defining(self, type_: str) -> list[RelationStore]:
        """The stores whose newest model defines a type of object, two at most."""
        rows = await self._engine.few(self._DEFINING, {"type": type_})
        return [_store(row) for row in rows if row["id"] is not None]

    def add_store(self, store: RelationStore) -> Step:
        """Without a model: that is put after it. Loses when its id is taken."""
        row = {name: getattr(store, name) for name in store.__struct_fields__}
        return Step(self._ADD_STORE, {**row, "number": number_of(store.id), "model_id": "", "removed_at": None})

    def remove_store(self, store_id: str, now: int) -> Step:
        """From now on there is none; what it held is swept. Loses when there is no such store."""
        return Step(self._REMOVE_STORE, {"id": store_id, "now": now})

    async def removed(self) -> list[str]:
        """The ids of stores that were removed and are not swept yet."""
        return [row["id"] for row in await self._engine.many(self._REMOVED, {})]

    def parts(self, store_id: str) -> list[Callable[[], Awaitable[Step | None]]]:
        """For each table that held something of a removed store: the next rows to remove from it, until there are none."""
        return [partial(self._part, *leftover, store_id) for leftover in _LEFTOVERS]

    async def _part(self, left: Select, remove: Delete, store_id: str) -> Step | None:
        rows = await self._engine.many(left, {"store": number_of(store_id), "store_id": store_id})
        return Step(remove, [dict(row) for row in rows], may_miss=True) if rows else None

    def forget_store(self, store_id: str) -> Step:
        """The end of a removed store that is empty."""
        return Step(self._FORGET_STORE, {"id": store_id}, may_miss=True)

    # tuples

    async def present(self, store_id: str, tuples: Iterable[RelationTuple]) -> list[RelationTuple]:
        """Those of these tuples, by their keys, that are there: with the conditions that they have there."""
        return await self._writes.present(store_id, [tuple_.key for tuple_ in tuples])

    async def read(
        self, store_id: str, pattern: RelationTuple, after: RelationTuple | None, size: int
    ) -> list[tuple[RelationTuple, int]]:
        """At most `size` tuples that fit, from the one after `after`, with the times at which they were written.

        An empty part of the pattern fits any, but a relation is not looked for alone; an object `type:` fits all of that
        type, and then the subject is named. Each pattern has an order of its own, in which an index finds its tuples.
        """
        object_, relation, subject = pattern.key
        params: Params = {"store": number_of(store_id), "size": size, **pattern._asdict(), "kind": kind_of(subject)}
        params |= {f"{name}_": part for name, part in (after or RelationTuple("", "", ""))._asdict().items()}
        params["kind_"] = kind_of(params["subject_"])
        if object_.endswith(":") or (subject and not object_):
            select = self._READ_SUBJECT_RELATION if relation else self._READ_SUBJECT
            params |= within(object_[:-1]) if object_ else {"first": "", "last": LAST}
        elif not object_:
            select = self._READ
        elif not relation:
            select = self._READ_OBJECT
        elif not subject:
            select = self._READ_RELATION
        else:
            found = [] if after else await self._engine.few(self._READ_TUPLE, params)
            return [(_tuple(row), row["created_at"]) for row in found]
        return [(_tuple(row), row["created_at"]) for row in await self._engine.many(select, params)]

    async def count(self, store_id: str, most: int) -> int:
        """How many tuples a store has, or `most`: further nobody counts."""
        rows = await self._engine.many(self._COUNT, {"id": store_id, "store": number_of(store_id), "most": most})
        return int(rows[0]["tuples"]) if rows else 0

    # changes

    async def changes_since(self, store_id: str, revision: int, limit: int) -> list[tuple[int, RelationTuple]]:
        """At most `limit` tuples that later revisions changed, with the revision, in their order; of the last perhaps not all."""
        found = await self.changes(store_id, (revision, LATEST), size=limit)
        return [(change.revision, change.tuple) for change in found]

    async def changes(
        self, store_id: str, after: tuple[int, int] = (0, 0), *, type_: str = "", size: int = 50
    ) -> list[Change]:
        """At most `size` changes after this (revision, position), in their order; all, or those of a type of object."""
        params: Params = {"store": number_of(store_id), "revision": after[0], "position": after[1], "size": size}
        if type_:
            rows = await self._engine.many(self._CHANGES_OF_TYPE, {**params, "type": type_})
        else:
            rows = await self._engine.many(self._CHANGES, params)
        return [
            Change(row["revision"], row["position"], row["operation"], _tuple(row), row["created_at"]) for row in rows
        ]

    async def first_since(self, store_id: str, since: int) -> int | None:
        """The first revision that was written at this time or later, by the clocks of those who wrote."""
        rows = await self._engine.many(self._FIRST_SINCE, {"store": number_of(store_id), "since": since})
        return rows[0]["revision"] if rows else None


def _leftover(table: Table, belongs: str) -> tuple[Select, Delete]:
    keys = ", ".join(table.key)
    left = Select(table, columns=keys, where=belongs, tail=f"ORDER BY {keys} LIMIT {SWEPT_AT_ONCE}")
    return left, Delete(table, where=" AND ".join(f"{table.name}.{key} = :{key}" for key in table.key))


_LEFTOVERS: Final = (
    *(_leftover(table, "store = :store") for table in (t.RELATION_TUPLES, t.RELATION_HELD, t.RELATION_CHANGES)),
    *(_leftover(table, "store_id = :store_id") for table in (t.RELATION_MODELS, t.RELATION_ASSERTIONS)),
)


def _store(row: Row) -> RelationStore:
    return RelationStore(**{name: row[name] for name in RelationStore.__struct_fields__})


def _tuple(row: Row) -> RelationTuple:
    return RelationTuple(row["object"], row["relation"], row["subject"], row["condition"], row["context"])
