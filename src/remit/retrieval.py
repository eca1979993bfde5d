"""The first k documents that a user may see, of a source that knows nothing of users.

`Sieve` decides and does no I/O: whoever drives it fetches hits, and asks the server about those it has not judged yet. The
source is asked for more until enough are visible, it has no more, or the bound is met.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from inspect import isawaitable
from typing import Final, Generic, TypeVar

_log = logging.getLogger("remit")

T = TypeVar("T")

MOST: Final = 1000
"""Hits that are looked at, unless told."""

_LONGEST: Final = 256
"""Characters of an object, as OpenFGA has it."""
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
"""Half a character, which UTF-8 has no way to write."""

Source = Iterable[T] | AsyncIterable[T] | Callable[[int], Sequence[T] | Awaitable[Sequence[T]]]
"""Hits, the best first: all of them, or a function of n that gives the n best."""

Fetch = Callable[[int], Awaitable[Sequence[T]]]


@dataclass(frozen=True)
class Found(Generic[T]):
    """What a user may see of something larger."""

    docs: list[T]
    """In the order of the source."""
    partial: bool
    """The bound was met before there were enough: there may be more that the user may see. For the program; told to a model,
    it would say that something is being withheld."""


class Sieve(Generic[T]):
    """Tells which hits to fetch, which names to ask about, and when that is enough.

    Args:
        k: how many documents are wanted.
        obj: names a document as ``type:id``.
        most: hits to look at, at the most.

    Raises:
        ValueError: ``k`` or ``most`` is not positive.
    """

    def __init__(self, k: int, obj: Callable[[T], str | None], most: int = MOST) -> None:
        if k < 1 or most < 1:
            raise ValueError("k and most are positive")
        self._k, self._obj, self._most = k, obj, most
        self._looked_at: list[tuple[T, str | None]] = []
        self._permitted: set[str] = set()
        self._judged: set[str] = set()
        self.wanted = min(max(4 * k, 20), most)
        """How many hits to fetch next, from the beginning."""

    def unjudged(self, hits: Sequence[T]) -> list[str]:
        """The names among the hits that nobody has asked about yet, each once. Each hit is named here and never again: what
        it says of itself, and what the list holds, may change while the server is asked."""
        self._looked_at = [(hit, name_of(hit, self._obj)) for hit in hits[: self._most]]
        names = dict.fromkeys(name for _, name in self._looked_at)
        asked = [name for name in names if name is not None and name not in self._judged]
        self._judged.update(asked)
        return asked

    def learn(self, permitted: Iterable[str]) -> None:
        """Those of the names that the server said yes to."""
        self._permitted.update(permitted)

    def found(self) -> Found[T] | None:
        """The result, or None when more hits are needed: as many as ``wanted`` now says."""
        seen = [hit for hit, name in self._looked_at if name in self._permitted]
        if len(seen) >= self._k or len(self._looked_at) < self.wanted:
            return Found(seen[: self._k], partial=False)
        if self.wanted == self._most:
            _log.warning("a search ended at its bound of %d hits, before there were %d to show", self._most, self._k)
            return Found(seen, partial=True)
        self.wanted = min(5 * self.wanted, self._most)
        return None

    def sift(self, best: Callable[[int], Sequence[T]], permitted: Callable[[list[str]], Iterable[str]]) -> Found[T]:
        """The whole of it in a thread that may wait: ``best`` gives the n best hits, ``permitted`` those of some names."""
        while True:
            self.learn(permitted(self.unjudged(best(self.wanted))))
            if (found := self.found()) is not None:
                return found


def name_of(doc: T, obj: Callable[[T], str | None]) -> str | None:
    """What ``obj`` calls the document, if that is ``type:id``. A key that is not there (``LookupError``) is no name, nor is
    what no server could take: one document that somebody named so would fail a whole request."""
    try:
        name = obj(doc)
    except LookupError:
        return None
    if not isinstance(name, str) or len(name) > _LONGEST or not all(name.partition(":")):
        return None
    return None if _SURROGATE.search(name) else name


def fetching(source: Source[T]) -> Fetch[T]:
    """A source as a function of n that gives its n best."""
    if callable(source):

        async def call(n: int) -> Sequence[T]:
            answer = source(n)
            return await answer if isawaitable(answer) else answer

        return call
    drawn: list[T] = []
    rest = aiter(source) if isinstance(source, AsyncIterable) else _each(source)

    async def draw(n: int) -> Sequence[T]:
        while len(drawn) < n:
            try:
                drawn.append(await anext(rest))
            except StopAsyncIteration:
                break
        return drawn

    return draw


async def _each(hits: Iterable[T]) -> AsyncIterator[T]:
    for hit in hits:
        yield hit
