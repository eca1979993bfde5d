"""Check: the reasoning of rules/relations/check.py over stored tuples, and over those that a request brings along."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from remit_server.access.engine import in_step
from remit_server.access.refusals import InvalidTuple
from remit_server.access.stores import Opened
from remit_server.rules.relations import tuples
from remit_server.rules.relations.check import Asker, check
from remit_server.rules.relations.facts import Contextual, Fact, Found, Need
from remit_server.rules.relations.tuples import RelationTuple, kind_of
from remit_server.storage.store import Store


async def allowed(store: Store, opened: Opened, asked: RelationTuple, contextual: Sequence[RelationTuple] = ()) -> bool:
    """Whether the subject has the relation, as of now: nothing but the model is ever cached.

    Raises `InvalidRequest` for what the model does not define, `InvalidTuple` for a contextual tuple that it does not take,
    `TooComplex` when the limits are met.
    """
    tuples.question(opened.model, asked)
    for tuple_ in contextual:
        if fault := tuples.judge(opened.model, tuple_):
            raise InvalidTuple(str(fault))

    async def read(needs: Collection[Need]) -> Found:
        keys = list({need[:2] for need in needs})
        found = dict(
            zip(keys, await asyncio.gather(*(store.relations.subjects(opened.id, *k) for k in keys)), strict=True)
        )
        return {
            need: [
                Fact(one)
                for one in found[need[0], need[1]]
                if kind_of(one) == need[2] and (len(need) < 4 or not need[3] or need[3] == one)
            ]
            for need in needs
        }

    asker = Asker(asked.subject, Contextual(contextual))
    [[verdict]] = await in_step([check(opened.model, asker, [(asked.object, asked.relation)])], read)
    if isinstance(verdict, bool):
        return verdict
    raise verdict
