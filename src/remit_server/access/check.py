"""Check: the reasoning of rules/relations_check.py over stored tuples, and over those that a request brings along."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from remit_server.access.refusals import InvalidTuple
from remit_server.access.stores import Opened
from remit_server.rules.relations import tuples
from remit_server.rules.relations.check import Node, check
from remit_server.rules.relations.tuples import RelationTuple
from remit_server.storage.store import Store


async def allowed(store: Store, opened: Opened, asked: RelationTuple, contextual: Sequence[RelationTuple] = ()) -> bool:
    """Whether the subject has the relation, as of now: nothing but the model is ever cached.

    Raises `InvalidRequest` for what the model does not define, `InvalidTuple` for a contextual tuple that it does not take,
    `TooComplex` when the limits are met.
    """
    tuples.question(opened.model, asked)
    brought: dict[Node, list[str]] = {}
    for tuple_ in contextual:
        if fault := tuples.judge(opened.model, tuple_):
            raise InvalidTuple(fault)
        brought.setdefault((tuple_.object, tuple_.relation), []).append(tuple_.subject)
    steps = check(opened.model, asked)
    wanted = next(steps)
    while True:
        nodes = tuple(wanted)
        read = await asyncio.gather(*(store.relations.subjects(opened.id, *node) for node in nodes))
        found = {node: [*subjects, *brought.get(node, ())] for node, subjects in zip(nodes, read, strict=True)}
        try:
            wanted = steps.send(found)
        except StopIteration as decided:
            return bool(decided.value)
