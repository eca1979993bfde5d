"""POST /stores/{store_id}/list-objects: the objects of a type to which a user has a relation. Where a limit cuts the answer, it
says so (`partial`) and where to go on (`continuation_token`)."""

from __future__ import annotations

from typing import Any, NamedTuple

from remit_server.access import members as m
from remit_server.access import paging
from remit_server.access.askers import service
from remit_server.access.asking import Circumstances, under
from remit_server.access.engine import Engine
from remit_server.access.keys import contextual_keys
from remit_server.access.members import Members, members, store_id
from remit_server.access.refusals import RelationNotFound, TypeNotFound
from remit_server.access.stores import Opened, Stores
from remit_server.rules.relations import tuples
from remit_server.rules.relations.check import Asker
from remit_server.rules.relations.list_objects import list_objects
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.runtime.machines import Machines
from remit_server.wire.http import Answer, Request, json_answer


class Wanted(NamedTuple):
    """Which objects are looked for, and for whom."""

    type: str
    relation: str
    asker: Asker


async def wanted(request: Request, body: Members, machines: Machines, stores: Stores) -> tuple[Opened, Wanted]:
    """Raises `InvalidRequest`, or `TypeNotFound` or `RelationNotFound` for what the model does not define."""
    type_, relation, user = body.text("type", m.TYPE), body.text("relation", m.RELATION), body.text("user", m.USER)
    contextual, context = contextual_keys(body, machines.settings.relation_contextual), body.plain("context")
    opened = await stores.open(store_id(request), under(body))
    defined(opened, type_, relation)
    asker = Circumstances(opened, lists=True).asker(user, contextual, context)
    tuples.question(opened.model, RelationTuple(f"{type_}:1", relation, user))
    return opened, Wanted(type_, relation, asker)


def defined(opened: Opened, type_: str, relation: str) -> None:
    """Raises `TypeNotFound` or `RelationNotFound`."""
    if type_ not in opened.model.types:
        raise TypeNotFound(f"The model does not define the type {type_}.")
    if relation not in opened.model.types[type_]:
        raise RelationNotFound(f"The model does not define {relation} of {type_}.")


class ListObjects:
    def __init__(self, machines: Machines, stores: Stores, engine: Engine) -> None:
        self._machines, self._stores, self._engine = machines, stores, engine

    async def __call__(self, request: Request) -> Answer:
        await service(request, self._machines)
        body, most = await members(request), self._machines.settings.relation_results
        size, place = body.size(most) or most, paging.place_of(body, "objects", 1)
        opened, of = await wanted(request, body, self._machines, self._stores)
        (listed,) = await self._engine.answer(
            opened, lambda: [list_objects(opened.model, of.asker, of.type, of.relation)]
        )
        return json_answer(page("objects", listed.found, listed.partial, size, place))


def page(name: str, found: list[str], partial: bool, size: int, place: tuple[str, ...] | None) -> dict[str, Any]:
    """So many of what was found, after `place`, and what there is to say about the rest."""
    rest = [one for one in found if one > place[0]] if place else found
    answer: dict[str, Any] = {name: rest[:size]}
    if len(rest) > size:
        answer |= {"partial": True, "continuation_token": paging.token(name, rest[size - 1])}
    elif partial:
        answer["partial"] = True
    return answer
