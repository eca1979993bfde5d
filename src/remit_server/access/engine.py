"""The embedded engine: drives the reasoning of `rules/relations` over stored tuples.

Many questions are reasoned about in step: what they need of one level of the graph is read by one statement.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, TypeVar

from remit_server.access.remembered import Reading, Remembered
from remit_server.access.stores import Opened
from remit_server.errors import TemporarilyUnavailable
from remit_server.rules.relations.check import Asker, Node, Question, Verdict, check
from remit_server.rules.relations.facts import Found, Need, Steps
from remit_server.storage.store import Store

T = TypeVar("T")
TRIES: Final = 8
"""An answer whose facts were changed while they were read is worked out anew, this often at most."""
MOST_STORES: Final = 100
"""Stores whose facts are remembered."""


class Engine:
    """`room` is how many facts of a store are remembered; of all stores together, twice as many."""

    def __init__(self, store: Store, room: int = 200_000) -> None:
        self._relations, self._room = store.relations, room
        self._remembered: dict[str, Remembered] = {}

    async def check(self, opened: Opened, questions: Sequence[Question]) -> list[Verdict]:
        """A verdict for each question. Those about one subject under the same circumstances are one graph."""
        together: dict[tuple[str, int, int], tuple[Asker, dict[Node, None]]] = {}
        places = []
        for question in questions:
            key = (question.subject, id(question.contextual), id(question.context))
            _, nodes = together.setdefault(key, (question.asker, {}))
            nodes[question.node] = None
            places.append((key, question.node))
        answers = await self.answer(
            opened, lambda: [check(opened.model, asker, list(nodes)) for asker, nodes in together.values()]
        )
        verdicts: dict[object, Verdict] = {}
        for (key, (_, nodes)), answer in zip(together.items(), answers, strict=True):
            verdicts.update({(key, node): verdict for node, verdict in zip(nodes, answer, strict=True)})
        return [verdicts[place] for place in places]

    async def answer(
        self, opened: Opened, begin: Callable[[], Sequence[Steps[T]]], stands: Callable[[], object] | None = None
    ) -> list[T]:
        """The answers of reasoning begun by `begin`, all as of one revision: the store's own or a later one.

        Whoever tells what is found before the answer is whole has `stands` called when all that the reasoning has come to so
        far was true at one moment; where `begin` is called again, what did not stand was none.

        Raises `TemporarilyUnavailable` where the tuples that it looks at change faster than they are read, and `StoreNotFound`
        where the store is removed meanwhile.
        """
        remembered = self._of(opened.id)
        for _ in range(TRIES):
            reading = await remembered.begin(opened.revision)
            answers = await in_step(begin(), _settling(reading, stands) if stands else reading.facts)
            if await reading.sound():
                if stands:
                    stands()
                return answers
        raise TemporarilyUnavailable("The tuples that this looks at are being written.", headers={"Retry-After": "1"})

    def _of(self, store_id: str) -> Remembered:
        found = self._remembered.pop(store_id, None) or Remembered(self._relations, store_id, self._room)
        self._remembered[store_id] = found  # the one used last stands last
        while len(self._remembered) > 1 and (
            len(self._remembered) > MOST_STORES or sum(one.size for one in self._remembered.values()) > 2 * self._room
        ):
            del self._remembered[next(iter(self._remembered))]
        return found


def _settling(reading: Reading, stands: Callable[[], object]) -> Callable[[Collection[Need]], Awaitable[Found]]:
    """Before it reads on, look whether what was read still holds."""

    async def read(needs: Collection[Need]) -> Found:
        if await reading.sound():
            stands()
        return await reading.facts(needs)

    return read


async def in_step(reasoning: Sequence[Steps[T]], read: Callable[[Collection[Need]], Awaitable[Found]]) -> list[T]:
    """Drive several reasonings a level at a time; what they need is read together."""
    answers: dict[int, T] = {}
    going = dict(enumerate(reasoning))
    found: Found | None = None
    while going:
        needs: set[Need] = set()
        for place, steps in list(going.items()):
            try:
                needs.update(next(steps) if found is None else steps.send(found))
            except StopIteration as end:
                answers[place] = end.value
                del going[place]
        if going:
            found = await read(needs)
    return [answers[place] for place in range(len(reasoning))]
