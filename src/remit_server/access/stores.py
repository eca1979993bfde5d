"""Stores with their models. What a store is now comes from its row with each question; a model never changes, so it is compiled
once and kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from remit_server.access.refusals import InvalidModel, ModelNotFound, NoModel, StoreNotFound
from remit_server.errors import ConfigurationError, InvalidRequest
from remit_server.records import Client
from remit_server.rules.relations.model import Model, compiled
from remit_server.runtime.ids import id_after, new_id
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Busy, Lost
from remit_server.storage.groups.relation_models import RelationModel
from remit_server.storage.groups.relations import RelationStore
from remit_server.storage.store import Store

KEPT: Final = 1000
"""Compiled models."""
PATIENCE: Final = 10
"""How often a model is put anew because another was first."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A store as it was when it was opened, under one of its models."""

    record: RelationStore
    model_id: str
    model: Model

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def revision(self) -> int:
        return self.record.revision


class Stores:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._compiled: OrderedDict[tuple[str, str], Model] = OrderedDict()

    async def record(self, store_id: str) -> RelationStore:
        """Raises `StoreNotFound`."""
        record = await self._store.relations.store(store_id)
        if record is None:
            raise StoreNotFound
        return record

    async def open(self, store_id: str, model_id: str | None = None) -> Opened:
        """A store by id, under the model that the request counts on, else the newest.

        Raises `StoreNotFound`, `ModelNotFound`, or `NoModel` where there is none yet.
        """
        return await self._opened(await self.record(store_id), model_id)

    async def defining(self, kind: str) -> Opened | None:
        """The one store whose newest model defines a type of object. Raises `InvalidRequest` when several do."""
        found = await self._store.relations.defining(kind)
        if len(found) > 1:
            raise InvalidRequest("Several stores define this type of resource: ask one of them at /stores/{id}/check.")
        return await self._opened(found[0]) if found else None

    async def create(self, machines: Machines, client: Client, name: str) -> RelationStore:
        """A store without a model. Others may have the same name. Raises `Busy` where its number is another's, by chance."""
        now = machines.clock.now()
        record = RelationStore(id=new_id(), name=name, created_at=now, updated_at=now)
        event = machines.event("access.store_created", client=client.id, subject=record.id, store=name)
        try:
            await self._store.commit(self._store.relations.add_store(record), events=(event,))
        except Lost as lost:
            raise Busy("the number of the new relation store is taken") from lost
        return record

    async def remove(self, machines: Machines, client: Client, store_id: str) -> None:
        """With everything in it. Raises `StoreNotFound`."""
        record = await self.record(store_id)
        event = machines.event("access.store_removed", client=client.id, subject=record.id, store=record.name)
        gone = self._store.relations.remove_store(record.id, machines.clock.now())
        try:
            await self._store.commit(gone, self._store.relation_models.undefine(record.id), events=(event,))
        except Lost as lost:
            raise StoreNotFound from lost

    async def put_model(
        self, machines: Machines, client: Client, record: RelationStore, model: Mapping[str, Any]
    ) -> str:
        """A new model, the store's newest from now on; its id. Raises `InvalidModel`, `StoreNotFound` or `Busy`."""
        try:
            ready = compiled(model)
        except ConfigurationError as error:
            raise InvalidModel(error.text) from error
        for _ in range(PATIENCE):
            new = RelationModel(id=id_after(record.model_id), model=dict(model), created_at=machines.clock.now())
            event = machines.event(
                "access.model_written", client=client.id, subject=record.id, store=record.name, model=new.id
            )
            steps = self._store.relation_models.put(record.id, record.model_id, new, ready.types)
            try:
                await self._store.commit(*steps, events=(event,))
            except Lost:  # another model was put in the same moment: ours comes after it
                record = await self.record(record.id)
            else:
                self._keep((record.id, new.id), ready)
                return new.id
        raise Busy("others put models into the same relation store")

    async def _opened(self, record: RelationStore, model_id: str | None = None) -> Opened:
        key = record.id, model_id or record.model_id
        if not key[1]:
            raise NoModel
        model = self._compiled.get(key)
        if model is None:
            found = await self._store.relation_models.get(*key)
            if found is None:
                raise ModelNotFound
            try:
                model = compiled(found.model)
            except ConfigurationError as error:  # it was written by a version that took it; it answers nothing
                raise InvalidModel(error.text) from error
        self._keep(key, model)
        return Opened(record, key[1], model)

    def _keep(self, key: tuple[str, str], model: Model) -> None:
        self._compiled[key] = model
        self._compiled.move_to_end(key)
        if len(self._compiled) > KEPT:
            self._compiled.popitem(last=False)
