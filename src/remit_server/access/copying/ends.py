"""The two ends of a copy: a relation store in a database of ours, or behind OpenFGA's HTTP API, which Remit speaks, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import urlencode

import msgspec

from remit_server.access.remote import OpenFga, Refused, tuple_json
from remit_server.errors import ConfigurationError
from remit_server.records import Actor, Event
from remit_server.rules.relations import tuples as forms
from remit_server.rules.relations.model import compiled
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.runtime.clock import Clock
from remit_server.runtime.ids import id_after, new_id
from remit_server.storage.groups.relation_models import RelationModel
from remit_server.storage.groups.relation_writes import Clash, Done, Write
from remit_server.storage.groups.relations import LATEST, RelationStore
from remit_server.storage.store import Store

PAGE: Final = 100
"""Tuples and changes at once: as many as OpenFGA takes and gives."""
MODELS: Final = 50
_SAYS_BY_BEING: Final = frozenset({"this", "wildcard"})


class Differs(Refused):
    """A tuple to write is there already, with another condition."""


class Model(NamedTuple):
    """A model under the id that it has at this end."""

    id: str
    body: Mapping[str, Any]
    """In the one form in which models can be compared."""


class Change(NamedTuple):
    tuple: RelationTuple
    written: bool
    """Else deleted."""


class End(Protocol):
    """A relation store. All of it raises `Refused` or `RelationsUnavailable`."""

    async def models(self) -> list[Model]:
        """All, oldest first."""
        ...

    async def put_model(self, body: Mapping[str, Any]) -> str:
        """The store's newest from now on; its id here."""
        ...

    async def assertions(self, model_id: str) -> list[Any]: ...

    async def put_assertions(self, model_id: str, assertions: Sequence[Any]) -> None: ...

    async def tuples(self, after: str) -> tuple[list[RelationTuple], str]:
        """A page, and where the next one begins; empty for the first and after the last."""
        ...

    async def changes(self, after: str, since: int) -> tuple[list[Change], str]:
        """What was changed after a place, or, where there is none yet, since a time; and the place after it."""
        ...

    async def write(self, tuples: Sequence[RelationTuple]) -> None:
        """What is there already is left. Raises `Differs` too."""
        ...

    async def delete(self, tuples: Sequence[RelationTuple]) -> None:
        """What is not there is not missed."""
        ...


def same_form(value: Any) -> Any:
    """A model, or a part of one, without what says nothing: each server adds other empty members."""
    if isinstance(value, Mapping):
        parts = {name: same_form(part) for name, part in value.items()}
        return {name: part for name, part in parts.items() if part not in (None, "", [], {}) or name in _SAYS_BY_BEING}
    return [same_form(part) for part in value] if isinstance(value, list) else value


class Remote:
    """Behind OpenFGA's HTTP API."""

    def __init__(self, fga: OpenFga) -> None:
        self._fga = fga

    async def models(self) -> list[Model]:
        found: list[Model] = []
        token = ""
        while True:
            query = urlencode({"page_size": MODELS, "continuation_token": token} if token else {"page_size": MODELS})
            said = await self._fga.call("GET", f"/authorization-models?{query}")
            found += [Model(one["id"], same_form({**one, "id": None})) for one in said.get("authorization_models", ())]
            token = str(said.get("continuation_token") or "")
            if not token:
                return found[::-1]

    async def put_model(self, body: Mapping[str, Any]) -> str:
        return str((await self._fga.call("POST", "/authorization-models", body))["authorization_model_id"])

    async def assertions(self, model_id: str) -> list[Any]:
        return list((await self._fga.call("GET", f"/assertions/{model_id}")).get("assertions") or ())

    async def put_assertions(self, model_id: str, assertions: Sequence[Any]) -> None:
        await self._fga.call("PUT", f"/assertions/{model_id}", {"assertions": assertions})

    async def tuples(self, after: str) -> tuple[list[RelationTuple], str]:
        said = await self._fga.call("POST", "/read", {"page_size": PAGE, "continuation_token": after})
        return [_tuple(one["key"]) for one in said.get("tuples", ())], str(said.get("continuation_token") or "")

    async def changes(self, after: str, since: int) -> tuple[list[Change], str]:
        place = (
            {"continuation_token": after} if after else {"start_time": datetime.fromtimestamp(since, UTC).isoformat()}
        )
        said = await self._fga.call("GET", f"/changes?{urlencode({'page_size': PAGE, **place})}")
        found = [
            Change(_tuple(one["tuple_key"]), one["operation"] == "TUPLE_OPERATION_WRITE")
            for one in said.get("changes", ())
        ]
        return found, str(said.get("continuation_token") or after)

    async def write(self, tuples: Sequence[RelationTuple]) -> None:
        keys = [tuple_json(one) for one in tuples]
        try:
            await self._fga.call("POST", "/write", {"writes": {"tuple_keys": keys, "on_duplicate": "ignore"}})
        except Refused as refused:
            raise Differs(str(refused)) if refused.status == 409 else refused from refused

    async def delete(self, tuples: Sequence[RelationTuple]) -> None:
        keys = [{"user": one.subject, "relation": one.relation, "object": one.object} for one in tuples]
        await self._fga.call("POST", "/write", {"deletes": {"tuple_keys": keys, "on_missing": "ignore"}})


def _tuple(key: Mapping[str, Any]) -> RelationTuple:
    try:
        return forms.parse_tuple({name: value for name, value in key.items() if value})
    except ConfigurationError as error:
        raise Refused(error.text) from error


class Local:
    """In a database of ours. `by` is who does it, for the trail."""

    def __init__(self, store: Store, store_id: str, clock: Clock, by: str) -> None:
        self._store, self._id, self._clock, self._by = store, store_id, clock, by

    @classmethod
    async def named(cls, store: Store, name: str, clock: Clock, by: str, *, create: bool) -> Local:
        """The store of this name or id. Raises `ConfigurationError` where there is none and none is to be made."""
        found = await store.relations.store_named(name) or await store.relations.store(name)
        if found is None:
            if not create:
                raise ConfigurationError(f"there is no relation store {name!r}")
            now = clock.now()
            found = RelationStore(id=new_id(), name=name, created_at=now, updated_at=now)
            end = cls(store, found.id, clock, by)
            await store.commit(
                store.relations.add_store(found), events=(end._event("access.store_created", store=name),)
            )
        return cls(store, found.id, clock, by)

    async def models(self) -> list[Model]:
        found: list[RelationModel] = []
        while page := await self._store.relation_models.page(
            self._id, before=found[-1].id if found else "~", size=MODELS
        ):
            found += page
        return [Model(one.id, same_form(one.model)) for one in reversed(found)]

    async def put_model(self, body: Mapping[str, Any]) -> str:
        try:
            types = compiled(body).types
        except ConfigurationError as error:
            raise Refused(error.text) from error
        record = await self._record()
        new = RelationModel(id=id_after(record.model_id), model=dict(body), created_at=self._clock.now())
        steps = self._store.relation_models.put(self._id, record.model_id, new, types)
        await self._store.commit(*steps, events=(self._event("access.model_written", model=new.id),))
        return new.id

    async def assertions(self, model_id: str) -> list[Any]:
        return await self._store.relation_models.assertions(self._id, model_id)

    async def put_assertions(self, model_id: str, assertions: Sequence[Any]) -> None:
        steps = self._store.relation_models.put_assertions(self._id, model_id, assertions)
        await self._store.commit(*steps, events=(self._event("access.assertions_written", model=model_id),))

    async def tuples(self, after: str) -> tuple[list[RelationTuple], str]:
        place = msgspec.json.decode(after, type=RelationTuple) if after else None
        read = await self._store.relations.read(self._id, RelationTuple("", "", ""), place, PAGE)
        found = [one for one, _ in read]
        return found, msgspec.json.encode(found[-1]).decode() if len(found) == PAGE else ""

    async def changes(self, after: str, since: int) -> tuple[list[Change], str]:
        relations = self._store.relations
        if after:
            revision, position = map(int, after.split("."))
        else:
            first = await relations.first_since(self._id, since)
            revision, position = ((await self._record()).revision if first is None else first - 1), LATEST
        found = await relations.changes(self._id, (revision, position), size=PAGE)
        last = (found[-1].revision, found[-1].position) if found else (revision, position)
        return [Change(one.tuple, one.operation == "write") for one in found], f"{last[0]}.{last[1]}"

    async def write(self, tuples: Sequence[RelationTuple]) -> None:
        record = await self._record()
        model = await self._store.relation_models.get(self._id, record.model_id)
        takes = compiled(model.model) if model else None
        for one in tuples:
            fault = forms.judge(takes, one) if takes else "the store has no model"
            if fault:
                raise Refused(str(fault))
        await self._change(record, writes=tuples)

    async def delete(self, tuples: Sequence[RelationTuple]) -> None:
        await self._change(await self._record(), deletes=tuples)

    async def _change(
        self, record: RelationStore, writes: Sequence[RelationTuple] = (), deletes: Sequence[RelationTuple] = ()
    ) -> None:
        def event(done: Done) -> Event:
            return self._event("access.written", revision=done.revision, count=len(done.written) + len(done.deleted))

        asked = Write(self._clock.now(), event, writes, deletes, "ignore", "ignore")
        try:
            await self._store.relations.write(self._id, record.revision, asked)
        except Clash as clash:
            raise Differs(str(clash)) from clash

    async def _record(self) -> RelationStore:
        record = await self._store.relations.store(self._id)
        if record is None:
            raise Refused("the relation store was removed")
        return record

    def _event(self, kind: str, **about: Any) -> Event:
        return Event(
            id=new_id(),
            at=self._clock.now(),
            kind=kind,
            actor=Actor(),
            subject=self._id,
            about={**about, "by": self._by},
        )
