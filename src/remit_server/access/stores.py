"""Stores with their models, compiled once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog

from remit_server.access.refusals import ModelNotFound, StoreNotFound
from remit_server.errors import ConfigurationError, InvalidRequest
from remit_server.rules.relations.model import Model, compiled
from remit_server.runtime.kept import Kept
from remit_server.storage.groups.relations import RelationStore
from remit_server.storage.store import Store

log = structlog.get_logger("remit")


@dataclass(frozen=True)
class Opened:
    record: RelationStore
    model: Model

    @property
    def id(self) -> str:
        return self.record.id


class Stores:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept = Kept(store, "relation_stores", self._open)

    async def _open(self) -> dict[str, Opened]:
        found = {}
        for record in await self._store.relations.stores():
            try:
                found[record.id] = Opened(record, compiled(record.model))
            except ConfigurationError as error:  # it answers nothing, which denies
                log.warning("model does not compile", store=record.name, fault=error.text)
        return found

    async def get(self, store_id: str, model_id: Any = None) -> Opened:
        """A store by id, with the model that the request counts on. Raises `StoreNotFound` or `ModelNotFound`."""
        opened = (await self._kept()).get(store_id)
        if opened is None:
            raise StoreNotFound
        if model_id not in (None, "", opened.record.model_id):
            raise ModelNotFound
        return opened

    async def defining(self, kind: str) -> Opened | None:
        """The one store whose model defines a type of object. Raises `InvalidRequest` when several do."""
        found = [opened for opened in (await self._kept()).values() if kind in opened.model.types]
        if len(found) > 1:
            raise InvalidRequest("Several stores define this type of resource: ask one of them at /stores/{id}/check.")
        return found[0] if found else None
