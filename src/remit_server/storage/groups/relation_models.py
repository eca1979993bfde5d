"""Authorization models of relation stores, and the assertions that go with them. A model never changes: a new one is put."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from remit_server.storage.contract import Engine, Row, Step
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Delete, Insert, Select, Update

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class RelationModel(Struct, frozen=True, kw_only=True):
    """A model as it was put, in OpenFGA's JSON form."""

    id: str
    """A ULID, after those of the store's older models."""
    model: dict[str, Any]
    created_at: int


class RelationModels:
    _GET = Select(t.RELATION_MODELS, where="relation_models.store_id = :store_id AND relation_models.id = :id")
    _PAGE = Select(
        t.RELATION_MODELS,
        where="store_id = :store_id AND id < :before",
        tail="ORDER BY id DESC LIMIT :size",
        types={"before": "text"},
    )
    _NEWEST = Update(
        t.RELATION_STORES,
        set="model_id = :model_id, updated_at = :updated_at",
        where="id = :id AND model_id = :newest AND removed_at IS NULL",
        types={"newest": "text"},
    )
    _PUT = Insert(t.RELATION_MODELS)
    _UNDEFINE = Delete(t.RELATION_TYPES, where="relation_types.store_id = :store_id")
    _DEFINE = Insert(t.RELATION_TYPES)
    _ASSERTIONS = Select(
        t.RELATION_ASSERTIONS,
        where="relation_assertions.store_id = :store_id AND relation_assertions.model_id = :model_id",
    )
    # Changes nothing, but a store is not removed meanwhile.
    _STILL = Update(t.RELATION_STORES, set="name = name", where="id = :id AND removed_at IS NULL")
    _ASSERT = Insert(t.RELATION_ASSERTIONS, conflict="replace")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get(self, store_id: str, model_id: str) -> RelationModel | None:
        row = await self._engine.one(self._GET, {"store_id": store_id, "id": model_id})
        return None if row is None else _model(row)

    async def page(self, store_id: str, *, before: str = "~", size: int = 50) -> list[RelationModel]:
        """At most `size` models, newest first, from the one before `before`."""
        rows = await self._engine.many(self._PAGE, {"store_id": store_id, "before": before, "size": size})
        return [_model(row) for row in rows]

    def put(self, store_id: str, newest: str, model: RelationModel, types: Iterable[str]) -> Sequence[Step]:
        """The store's newest model from now on, which defines these types; loses when `newest` is no longer the one before."""
        values = {"id": store_id, "newest": newest, "model_id": model.id, "updated_at": model.created_at}
        row = {"store_id": store_id, "id": model.id, "created_at": model.created_at, "body": _encode(model.model)}
        return (
            Step(self._NEWEST, values),
            Step(self._PUT, row),
            Step(self._UNDEFINE, {"store_id": store_id}, may_miss=True),
            Step(self._DEFINE, [{"type": type_, "store_id": store_id} for type_ in types]),
        )

    def undefine(self, store_id: str) -> Step:
        """The types of a store that is removed."""
        return Step(self._UNDEFINE, {"store_id": store_id}, may_miss=True)

    async def assertions(self, store_id: str, model_id: str) -> list[Any]:
        row = await self._engine.one(self._ASSERTIONS, {"store_id": store_id, "model_id": model_id})
        return [] if row is None else _decode(row["body"])

    def put_assertions(self, store_id: str, model_id: str, assertions: Sequence[Any]) -> Sequence[Step]:
        """In place of those that were there. Loses when there is no such store."""
        row = {"store_id": store_id, "model_id": model_id, "body": _encode(assertions)}
        return Step(self._STILL, {"id": store_id}), Step(self._ASSERT, row)


def _model(row: Row) -> RelationModel:
    return RelationModel(id=row["id"], model=_decode(row["body"]), created_at=row["created_at"])
