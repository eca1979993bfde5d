"""Pillar 4, from the agent's side: may this user do this with that? (AuthZEN 1.0, Access Evaluation API)"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TypeVar

from .errors import Unavailable
from .server import OAuthRefusal, Server

T = TypeVar("T")

_AT_ONCE = 8


async def check(server: Server, sub: str, relation: str, obj: str) -> bool:
    """Ask the server. Only a plain ``true`` is a yes.

    Raises:
        Unavailable: there was no answer; nothing is permitted then.
        ValueError: ``obj`` is not ``type:id``.
    """
    kind, _, name = obj.partition(":")
    if not kind or not name:
        raise ValueError("an object is written as type:id")
    answer = await server.ask(
        server.issuer.page("access/v1/evaluation"),
        {
            "subject": {"type": "user", "id": sub},
            "action": {"name": relation},
            "resource": {"type": kind, "id": name},
        },
    )
    if isinstance(answer, OAuthRefusal):
        raise answer.as_error()
    if not isinstance(answer.get("decision"), bool):
        raise Unavailable("the access evaluation gave no decision")
    return answer["decision"] is True


async def visible(
    server: Server, sub: str, docs: Iterable[T], relation: str, obj: Callable[[T], str | None]
) -> list[T]:
    """Those of ``docs`` that the user may see, in their order. What cannot be identified is dropped, never kept.

    Raises:
        Unavailable: a check went unanswered. A shorter list would look like a complete one.
    """
    gate = asyncio.Semaphore(_AT_ONCE)

    async def permitted(name: str) -> bool:
        async with gate:
            return await check(server, sub, relation, name)

    named = [(doc, obj(doc)) for doc in docs]
    names = list(dict.fromkeys(name for _, name in named if name is not None and _identified(name)))
    tasks: list[asyncio.Task[bool]] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(permitted(name)) for name in names]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    seen = {name for name, task in zip(names, tasks, strict=True) if task.result()}
    return [doc for doc, name in named if name in seen]


def _identified(name: str) -> bool:
    return all(name.partition(":"))
