"""For whom an agent acts, said to the relations for one question."""

from __future__ import annotations

from typing import Final

from remit_server.rules.relations.tuples import RelationTuple
from remit_server.runtime.ports import Relations

ACTING: Final = "acting_agent"
"""The relation of a `user` that a model may define, and build on: the agent that acts for them, in this question only. It is
brought along with the question and never stored."""


async def acting(relations: Relations, client_id: str, user_id: str, *, beside: str) -> tuple[RelationTuple, ...]:
    """`user:… acting_agent agent:…`, where the model that defines the type `beside` has a use for it."""
    if ACTING not in await relations.relations_of("user", beside=beside):
        return ()
    return (RelationTuple(f"user:{user_id}", ACTING, f"agent:{client_id}"),)
