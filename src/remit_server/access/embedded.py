"""The engine in this process, and the stores of this database, as the port `Relations`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from remit_server.access.asking import Asked, Circumstances
from remit_server.access.engine import Engine
from remit_server.access.stores import Opened, Stores
from remit_server.errors import InvalidRequest
from remit_server.rules.relations import check as reasoning
from remit_server.rules.relations import tuples
from remit_server.rules.relations.facts import Contextual
from remit_server.rules.relations.list_objects import list_objects
from remit_server.rules.relations.list_users import Sought, list_users
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.runtime.ports import Listed, Question, Verdict
from remit_server.storage.store import Store


class EmbeddedRelations:
    """Which store answers is told by the type of the object: the one whose model defines it."""

    def __init__(self, store: Store) -> None:
        self.stores, self.engine = Stores(store), Engine(store)

    async def can(self, questions: Sequence[Question]) -> list[Verdict]:
        verdicts: list[Verdict | None] = [None] * len(questions)
        opened = _Opened(self.stores)
        by_store: dict[str, tuple[Circumstances, list[tuple[int, reasoning.Question]]]] = {}
        for place, question in enumerate(questions):
            key = RelationTuple(question.object, question.relation, question.subject)
            try:
                one = await opened.defining(question.object.partition(":")[0])
                asked, placed = by_store.setdefault(one.id, (Circumstances(one), []))
                placed.append((place, asked.question(Asked(key, question.contextual, question.context))))
            except InvalidRequest as error:
                verdicts[place] = Verdict(False, error.text)
        for asked, placed in by_store.values():
            found = await self.engine.check(asked.opened, [question for _, question in placed])
            for (place, _), verdict in zip(placed, found, strict=True):
                verdicts[place] = Verdict(verdict) if isinstance(verdict, bool) else Verdict(False, verdict.text)
        return [verdict or Verdict(False) for verdict in verdicts]

    async def objects(
        self, subject: str, relation: str, type_: str, context: Mapping[str, Any],
        contextual: tuple[RelationTuple, ...] = (),
    ) -> Listed:  # fmt: skip
        try:
            opened = await _Opened(self.stores).defining(type_)
            tuples.question(opened.model, RelationTuple(f"{type_}:1", relation, subject))
            asker = Circumstances(opened).asker(subject, contextual, context)
            (found,) = await self.engine.answer(opened, lambda: [list_objects(opened.model, asker, type_, relation)])
        except InvalidRequest as error:
            return Listed(fault=error.text)
        return Listed(tuple(found.found), complete=not found.partial)

    async def subjects(self, object_: str, relation: str, type_: str, context: Mapping[str, Any]) -> Listed:
        try:
            opened = await _Opened(self.stores).defining(object_.partition(":")[0])
            tuples.question(opened.model, RelationTuple(object_, relation, f"{type_}:1"))
            sought = Sought(object_, relation, type_, Contextual(), context)
            (found,) = await self.engine.answer(opened, lambda: [list_users(opened.model, sought)])
        except InvalidRequest as error:
            return Listed(fault=error.text)
        return Listed(tuple(found.found), complete=not found.partial)

    async def relations_of(self, type_: str, *, beside: str | None = None) -> tuple[str, ...]:
        try:
            opened = await _Opened(self.stores).defining(beside or type_)
        except InvalidRequest:
            return ()
        return tuple(opened.model.types.get(type_, ()))


class _Opened:
    """Stores by the type that they define, each looked for once; a store is opened once, whatever is asked of it."""

    def __init__(self, stores: Stores) -> None:
        self._stores, self._found, self._by_id = stores, dict[str, Opened](), dict[str, Opened]()

    async def defining(self, type_: str) -> Opened:
        """Raises `InvalidRequest` where no store defines the type, or several do."""
        if type_ not in self._found:
            opened = await self._stores.defining(type_)
            if opened is None:
                raise InvalidRequest(f"No store defines the type {type_}.")
            self._found[type_] = self._by_id.setdefault(opened.id, opened)
        return self._found[type_]
