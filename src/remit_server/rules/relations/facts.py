"""What reasoning asks of storage, and what it gets: the seam between the graph and the tuples.

Reasoning is a generator: it yields all that it needs for one level of the graph at once, is sent what was found, and returns
its answer. Whoever drives it reads from a database, a cache, memory, or several of these.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, TypeVar

from remit_server.rules.relations.tuples import RelationTuple, kind_of

T = TypeVar("T")


class Holders(NamedTuple):
    """Who of one kind stands directly in a relation to an object: all of them, or the one that is named."""

    object: str
    relation: str
    kind: str
    """What a model calls this kind of user: `user`, `user:*`, `group#member`."""
    subject: str = ""
    """The one, or empty for all."""


class Held(NamedTuple):
    """To which objects of a type a subject stands directly in a relation."""

    subject: str
    relation: str
    type: str


FEW: Final = 1000


class Few(NamedTuple):
    """To which objects of a type a subject stands directly in a relation, without a condition, if they are at most `FEW`."""

    subject: str
    relation: str
    type: str
    few: Literal["few"] = "few"
    """Told from `Held`, which it would equal."""


Fact = tuple[str, str, str]
"""One tuple, seen from the other end: the subject for `Holders`, the object for the others; its condition; what it tells that,
as JSON text. Plain on purpose: many are kept, and what is a tuple of texts the garbage collector does not look at again."""
Need = Holders | Held | Few
Found = Mapping[Need, Sequence[Fact] | None]
"""What stands in storage for each need. None where `Few` are many."""
Steps = Generator[Collection[Need], Found, T]


class Contextual:
    """Tuples that a question brings along: they hold for it alone, and stand in for stored ones of the same key."""

    def __init__(self, tuples: Iterable[RelationTuple] = ()) -> None:
        self._holders: dict[tuple[str, str, str], dict[str, Fact]] = {}
        self._held: dict[Held, dict[str, Fact]] = {}
        for object_, relation, subject, condition, context in tuples:
            kind, type_ = kind_of(subject), object_.partition(":")[0]
            self._holders.setdefault((object_, relation, kind), {})[subject] = subject, condition, context
            self._held.setdefault(Held(subject, relation, type_), {})[object_] = object_, condition, context

    def __bool__(self) -> bool:
        return bool(self._holders)

    def over(self, need: Need, stored: Sequence[Fact]) -> Sequence[Fact]:
        """What answers the need: what was brought, and what is stored beside it."""
        if not isinstance(need, Holders):
            brought = self._held.get(Held(*need[:3]), {})
        else:
            brought = self._holders.get(need[:3], {})
            if need.subject:
                brought = {need.subject: brought[need.subject]} if need.subject in brought else {}
        if not brought:
            return stored
        return [*brought.values(), *(fact for fact in stored if fact[0] not in brought)]
