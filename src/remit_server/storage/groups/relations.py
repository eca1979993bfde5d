"""Relation tuples: object # relation @ subject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field

from remit_server.rules.relations.tuples import RelationTuple
from remit_server.storage.contract import Engine, Step
from remit_server.storage.groups.rows import Rows
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Delete, Insert, Select

__all__ = ["RelationStore", "RelationTuple", "Relations"]


class RelationStore(Struct, frozen=True, kw_only=True):
    """A named set of tuples under one model (the OpenFGA JSON form)."""

    id: str
    name: str
    model: dict[str, Any] = field(default_factory=dict)
    model_id: str = ""
    """What the model goes by, for clients that pin one."""
    created_at: int = 0


class Relations:
    _STORE = Select(t.RELATION_STORES, where="relation_stores.id = :id")
    _STORE_NAMED = Select(t.RELATION_STORES, where="relation_stores.name = :name")
    _STORES = Select(t.RELATION_STORES, tail="ORDER BY id")
    _PUT_STORE = Insert(t.RELATION_STORES, conflict="replace")
    _REMOVE_STORE = Delete(t.RELATION_STORES, where="relation_stores.id = :id")
    _EMPTY = Delete(t.RELATION_TUPLES, where="relation_tuples.store_id = :store_id")
    _ON = Select(
        t.RELATION_TUPLES,
        where="store_id = :store_id AND object = :object AND relation = :relation",
        tail="ORDER BY subject",
    )
    _ALL = Select(t.RELATION_TUPLES, where="store_id = :store_id", tail="ORDER BY object, relation, subject")
    _HAS = Select(
        t.RELATION_TUPLES,
        where="store_id = :store_id AND object = :object AND relation = :relation AND subject = :subject",
    )
    _READ = Select(
        t.RELATION_TUPLES,
        where="store_id = :store_id AND object BETWEEN :first AND :last AND (relation = :relation OR :relation = '') "
        "AND (subject = :subject OR :subject = '') AND (object, relation, subject) > (:after_o, :after_r, :after_s)",
        tail="ORDER BY object, relation, subject LIMIT :size",
        types={"first": "text", "last": "text", "after_o": "text", "after_r": "text", "after_s": "text"},
    )
    _ADD = Insert(t.RELATION_TUPLES)
    _REMOVE = Delete(
        t.RELATION_TUPLES,
        where="relation_tuples.store_id = :store_id AND relation_tuples.object = :object "
        "AND relation_tuples.relation = :relation AND relation_tuples.subject = :subject",
    )

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rows = Rows(t.RELATION_STORES, RelationStore)

    async def store(self, store_id: str) -> RelationStore | None:
        return self._rows.maybe(await self._engine.one(self._STORE, {"id": store_id}))

    async def store_named(self, name: str) -> RelationStore | None:
        return self._rows.maybe(await self._engine.one(self._STORE_NAMED, {"name": name}))

    async def stores(self) -> list[RelationStore]:
        return [self._rows.record(row) for row in await self._engine.many(self._STORES, {})]

    def put_store(self, store: RelationStore) -> Step:
        return Step(self._PUT_STORE, self._rows.params(store), wake=f"relation_stores:{store.id}")

    def remove_store(self, store_id: str) -> tuple[Step, Step]:
        """A store with all its tuples; loses when there is no such store."""
        empty = Step(self._EMPTY, {"store_id": store_id}, may_miss=True)
        return Step(self._REMOVE_STORE, {"id": store_id}, wake=f"relation_stores:{store_id}"), empty

    async def subjects(self, store_id: str, object_: str, relation: str) -> Sequence[str]:
        """Who stands directly in this relation to the object."""
        rows = await self._engine.many(self._ON, {"store_id": store_id, "object": object_, "relation": relation})
        return [row["subject"] for row in rows]

    async def has(self, store_id: str, tuple_: RelationTuple) -> bool:
        return await self._engine.one(self._HAS, {"store_id": store_id, **_named(tuple_)}) is not None

    async def read(
        self, store_id: str, pattern: RelationTuple, after: RelationTuple | None, size: int
    ) -> list[tuple[RelationTuple, int]]:
        """At most `size` tuples that fit, in the order of their keys, with the times at which they were written.

        An empty part of the pattern fits any; an object `type:` fits all of that type.
        """
        first = last = pattern.object
        if not pattern.object:
            last = chr(0x10FFFF)
        elif pattern.object.endswith(":"):
            last = pattern.object[:-1] + ";"  # the character after the colon
        params = {
            "store_id": store_id, "size": size, "first": first, "last": last,
            "relation": pattern.relation, "subject": pattern.subject,
            **{f"after_{name}": part for name, part in zip(("o", "r", "s"), after.key if after else ("", "", ""), strict=True)},
        }  # fmt: skip
        rows = await self._engine.many(self._READ, params)
        return [(RelationTuple(row["object"], row["relation"], row["subject"]), row["created_at"]) for row in rows]

    async def all(self, store_id: str) -> list[RelationTuple]:
        rows = await self._engine.many(self._ALL, {"store_id": store_id})
        return [RelationTuple(row["object"], row["relation"], row["subject"]) for row in rows]

    def add(self, store_id: str, tuple_: RelationTuple, now: int) -> Step:
        """Loses when the tuple is there already."""
        return Step(self._ADD, {"store_id": store_id, **_named(tuple_), "created_at": now})

    def remove(self, store_id: str, tuple_: RelationTuple) -> Step:
        """Loses when there is no such tuple."""
        return Step(self._REMOVE, {"store_id": store_id, **_named(tuple_)})


def _named(tuple_: RelationTuple) -> dict[str, Any]:
    return dict(zip(("object", "relation", "subject"), tuple_.key, strict=True))
