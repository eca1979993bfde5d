"""GET /console/relations/{store_id}: what a store's model says, as it is written and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from remit_server.access.stores import Stores
from remit_server.errors import ConfigurationError, NotFound, ProtocolError
from remit_server.rules.relations.model import Model
from remit_server.rules.relations.programs import programs
from remit_server.rules.relations.writing import written
from remit_server.runtime.machines import Machines
from remit_server.storage.groups.relation_models import RelationModel
from remit_server.storage.groups.relations import RelationStore
from remit_server.ui.highlight import spans
from remit_server.ui.html import Pages
from remit_server.ui.pages.console import administrator
from remit_server.ui.pages.relations import entered, in_store
from remit_server.ui.relating import room
from remit_server.ui.render import Page
from remit_server.ui.views.relations import ModelRow, RelationLine, Span, StoreView, TypeCard
from remit_server.wire.form import parse_query
from remit_server.wire.http import Answer, Request

VERSIONS = 10
MOST_KINDS = 50
"""For how many kinds of users a page works out what they can reach: for each it looks through the whole model."""


class RelationPage:
    def __init__(self, machines: Machines, pages: Pages, stores: Stores) -> None:
        self._machines, self._pages, self._stores = machines, pages, stores

    async def __call__(self, request: Request) -> Answer:
        machines = self._machines
        who = await entered(request, machines)
        if isinstance(who, Answer):
            return who
        record = await self._stores.record(request.params["store_id"])
        query = parse_query(request)
        model = await self._model(record, query.get("model"))
        before = query.get("before")
        versions = await machines.store.relation_models.page(record.id, before=before or "~", size=VERSIONS + 1)
        frame = await in_store(machines, administrator(who), record)
        return self._pages(
            Page(StoreView(**frame, **await self._shown(record, model), **_listed(record, versions, model, before)))
        )

    async def _model(self, record: RelationStore, model_id: str | None) -> RelationModel | None:
        """The model that is asked for, else the newest. Raises `NotFound` for one that is not there."""
        if not (model_id or record.model_id):
            return None
        found = await self._machines.store.relation_models.get(record.id, model_id or record.model_id)
        if found is None:
            raise NotFound
        return found

    async def _shown(self, record: RelationStore, found: RelationModel | None) -> dict[str, Any]:
        if found is None:
            return {"model_id": "", "model_at": record.created_at, "newest": True}
        lines: tuple[tuple[Span, ...], ...] = ()
        types: tuple[TypeCard, ...] = ()
        reaches, faults = True, []
        try:
            lines = spans(written(found.model, origins=True))
        except ConfigurationError as error:
            faults.append(f"This model cannot be written in the language: {error.text}.")
        try:
            model = (await self._stores.open(record.id, found.id)).model
            kinds = _kinds(model)
            reaches = len(kinds) <= MOST_KINDS
            types = _types(record.id, model, kinds if reaches else ())
        except ProtocolError as error:
            faults.append(f"Nothing is answered by this model, because it does not hold: {error.text}.")
        fault = " ".join(faults) or None
        newest = found.id == record.model_id
        return {"model_id": found.id, "model_at": found.created_at, "newest": newest, "lines": lines, "types": types,
                "reaches": reaches, "fault": fault}  # fmt: skip


def _listed(
    record: RelationStore, versions: Sequence[RelationModel], shown: RelationModel | None, before: str | None
) -> dict[str, Any]:
    rows = tuple(
        ModelRow(
            id=each.id, at=each.created_at, href=room(record.id, model=each.id), shown=bool(shown and shown.id == each.id)
        )
        for each in versions[:VERSIONS]
    )  # fmt: skip
    more, kept = len(versions) > VERSIONS, shown.id if shown else ""
    return {
        "models": rows,
        "first_href": room(record.id, model=kept) if before else None,
        "older_href": room(record.id, model=kept, before=rows[-1].id) if more else None,
    }


def _types(store_id: str, model: Model, kinds: Sequence[str]) -> tuple[TypeCard, ...]:
    """The relations of each type: what a tuple may name, and who of these kinds can come to have them in the end."""
    reached: dict[tuple[str, str], list[str]] = {(type_, name): [] for type_, of in model.types.items() for name in of}
    for kind in kinds:
        for relation, found in reached.items():
            if programs(model).leads(*relation, kind):
                found.append(kind)
    return tuple(
        TypeCard(
            name=type_,
            relations=tuple(
                RelationLine(
                    name=name,
                    given=tuple(map(str, relation.takes)),
                    reached=tuple(reached[type_, name]),
                    tuples_href=room(store_id, "tuples", object=f"{type_}:", relation=name) if relation.takes else None,
                )
                for name, relation in relations.items()
            ),
        )
        for type_, relations in model.types.items()
    )  # fmt: skip


def _kinds(model: Model) -> list[str]:
    """What may stand at the end of a way: a user, or everybody of a type."""
    taken = {kind for relations in model.types.values() for relation in relations.values() for kind in relation.kinds}
    everybody = {kind.removesuffix(":*") for kind in taken}
    return [
        kind
        for type_ in model.types
        for kind in (type_, f"{type_}:*")
        if kind in taken or (kind == type_ and type_ in everybody)
    ]
