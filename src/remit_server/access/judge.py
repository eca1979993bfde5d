"""The relations' answer at the one door: a user who lacks a relation that an act names is refused."""

from __future__ import annotations

from remit_server.access.check import allowed
from remit_server.access.stores import Stores
from remit_server.errors import InvalidRequest
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.runtime.ports import Act, Decision, Deny, Permit
from remit_server.storage.store import Store


class RelationJudge:
    def __init__(self, store: Store, stores: Stores) -> None:
        self._store, self._stores = store, stores

    async def __call__(self, act: Act) -> Decision:
        why = []
        for relation, object_ in act.needs:
            if act.user is None or not await self._has(act.user.id, relation, object_):
                return Deny(reason=f"{relation} of {object_} is needed for this.", why=("access.relation",))
            why.append(f"{relation} {object_}")
        return Permit(act=act, why=tuple(why))

    async def _has(self, user_id: str, relation: str, object_: str) -> bool:
        try:
            opened = await self._stores.defining(object_.partition(":")[0])
            asked = RelationTuple(object_, relation, f"user:{user_id}")
            return opened is not None and await allowed(self._store, opened, asked)
        except InvalidRequest:  # no model can answer: then nobody has it
            return False
