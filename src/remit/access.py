"""Pillar 4, from the agent's side: may this user do this with that, and which of these may they see? (AuthZEN 1.0)"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from .errors import NotAllowed, Unavailable
from .retrieval import Found, Sieve, Source, fetching, name_of
from .server import OAuthRefusal, Server

T = TypeVar("T")

_BATCH: Final = 100
"""Questions in one request: what the server takes."""
_AT_ONCE: Final = 4
"""Batches under way at a time."""
_PAGES: Final = 1000
"""Pages of one search."""


async def check(server: Server, sub: str, relation: str, obj: str) -> bool:
    """Ask the server. Only a plain ``true`` is a yes.

    Raises:
        Unavailable: there was no answer; nothing is permitted then.
        ValueError: ``obj`` is not ``type:id``.
    """
    if not all(obj.partition(":")):
        raise ValueError("an object is written as type:id")
    if name_of(obj, _itself) is None:
        return False  # no server could take it
    answer = await _ask(server, "evaluation", {**_question(sub, relation), "resource": _resource(obj)})
    return _decision(answer)


async def require(server: Server, sub: str, relation: str, obj: str) -> None:
    """As `check`, but a no is raised. Raises ``NotAllowed``."""
    if not await check(server, sub, relation, obj):
        raise NotAllowed(f"the user is not {relation} of {obj}", relation=relation, object=obj)


async def permitted(server: Server, sub: str, relation: str, names: Sequence[str]) -> frozenset[str]:
    """Those of the objects that the user has the relation to, asked in as few requests as the server allows.

    Raises:
        NotAllowed: this agent may not ask about this user.
        Unavailable: a question went unanswered.
    """
    gate = asyncio.Semaphore(_AT_ONCE)

    async def batch(some: Sequence[str]) -> list[str]:
        async with gate:
            asked = {**_question(sub, relation), "evaluations": [{"resource": _resource(name)} for name in some]}
            answers = (await _ask(server, "evaluations", asked)).get("evaluations")
        if not isinstance(answers, list) or len(answers) != len(some):
            raise Unavailable("the access evaluation did not answer every question")
        return [name for name, answer in zip(some, answers, strict=True) if _decision(answer)]

    tasks: list[asyncio.Task[list[str]]] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(batch(names[at : at + _BATCH])) for at in range(0, len(names), _BATCH)]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return frozenset(name for task in tasks for name in task.result())


async def visible(
    server: Server, sub: str, docs: Iterable[T], relation: str, obj: Callable[[T], str | None]
) -> list[T]:
    """Those of ``docs`` that the user may see, in their order. What cannot be identified is dropped, never kept.

    Raises:
        NotAllowed: this agent may not ask about this user.
        Unavailable: a question went unanswered. A shorter list would look like a complete one.
    """
    named = [(doc, name_of(doc, obj)) for doc in docs]
    seen = await permitted(server, sub, relation, list(dict.fromkeys(name for _, name in named if name is not None)))
    return [doc for doc, name in named if name in seen]


async def first(server: Server, sub: str, source: Source[T], relation: str, sieve: Sieve[T]) -> Found[T]:
    """The first of a source that the user may see, as many as the sieve wants. Raises as `visible`."""
    fetch = fetching(source)
    while True:
        names = sieve.unjudged(await fetch(sieve.wanted))
        sieve.learn(await permitted(server, sub, relation, names))
        if (found := sieve.found()) is not None:
            return found


async def reach(server: Server, sub: str, relation: str, kind: str, most: int) -> Found[str]:
    """The ids of the objects of a type that the user has the relation to (AuthZEN 1.0, Resource Search API).

    Raises:
        NotAllowed: this agent may not ask about this user.
        Unavailable: a page is missing, or is none.
        ValueError: ``most`` is not positive.
    """
    if most < 1:
        raise ValueError("most is positive")
    ids: dict[str, None] = {}
    cut = False
    asked: dict[str, Any] = {**_question(sub, relation), "resource": {"type": kind}}
    for _ in range(_PAGES):
        answer = await _ask(server, "search/resource", asked)
        results, page = answer.get("results"), answer.get("page") or {}
        if not isinstance(results, list) or not isinstance(page, Mapping):
            raise Unavailable("the resource search gave no results")
        ids.update(dict.fromkeys(_found(result, kind) for result in results))
        remarks, token = answer.get("context"), page.get("next_token")
        cut = cut or (isinstance(remarks, Mapping) and remarks.get("partial") is True)  # a limit of the server's own
        if len(ids) > most or not token:
            return Found(list(ids)[:most], partial=cut or len(ids) > most)
        asked["page"] = {"token": token}
    raise Unavailable("the resource search does not end")


async def _ask(server: Server, path: str, question: Mapping[str, Any]) -> Mapping[str, Any]:
    answer = await server.ask(server.issuer.page(f"access/v1/{path}"), question)
    if isinstance(answer, OAuthRefusal):
        raise answer.as_error()
    return answer


def _question(sub: str, relation: str) -> dict[str, Any]:
    return {"subject": {"type": "user", "id": sub}, "action": {"name": relation}}


def _resource(name: str) -> dict[str, str]:
    kind, _, id_ = name.partition(":")
    return {"type": kind, "id": id_}


def _decision(answer: object) -> bool:
    """A name that the server cannot read is a no, and drops one document. Any other failure is that of all."""
    decision = answer.get("decision") if isinstance(answer, Mapping) else None
    if not isinstance(answer, Mapping) or not isinstance(decision, bool):
        raise Unavailable("the access evaluation gave no decision")
    context = answer.get("context") or {}
    error = context.get("error") if isinstance(context, Mapping) else context
    if error is None:
        return decision
    status = error.get("status") if isinstance(error, Mapping) else None
    if status == 403:
        raise NotAllowed("this agent may not ask about this user")
    if status != 400:
        raise Unavailable("the access evaluation failed")
    return False


def _found(result: object, kind: str) -> str:
    if isinstance(result, Mapping) and result.get("type") == kind and isinstance(result.get("id"), str):
        return str(result["id"])
    raise Unavailable("the resource search found something else")


def _itself(name: str) -> str:
    return name
