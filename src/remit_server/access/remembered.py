"""What was read of a store's tuples, kept exactly as long as it is true.

A store's revision counts its writes. A reading belongs to one revision: it begins at the store's own, and it is sound when
nothing that it looked at has been changed by the time it ends, or it begins anew. So an answer never mixes two states of the
tuples, nothing is ever stale, and no lifetime is guessed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from remit_server.access.refusals import StoreNotFound
from remit_server.rules.relations.facts import Fact, Few, Found, Held, Holders, Need
from remit_server.rules.relations.tuples import RelationTuple, kind_of
from remit_server.storage.groups.relations import Relations

MOST_CHANGES: Final = 1000
"""To catch up with more than these, everything is forgotten instead."""
LONGEST: Final = 20_000
"""Facts of one need that are kept; more are read anew each time."""


class Remembered:
    """Of one store, in this process. `room` is how many facts and needs are kept."""

    def __init__(self, relations: Relations, store_id: str, room: int) -> None:
        self._relations, self._store_id, self._room = relations, store_id, room
        self.facts: dict[tuple[str, ...], Sequence[Fact] | None] = {}
        self._used = 0
        self._changed: dict[Need, int] = {}
        """At which revision a need was last touched, of the changes since `_since`."""
        self._since = 0
        self.revision = -1

    @property
    def size(self) -> int:
        """Facts, needs and changes."""
        return self._used + len(self._changed)

    async def begin(self, revision: int) -> Reading:
        """A reading as of this revision or a later one."""
        await self.catch_up(revision)
        return Reading(self, self._relations, self._store_id)

    async def catch_up(self, revision: int) -> None:
        """Forget what was changed up to this revision."""
        while self.revision < revision:
            known = self.revision
            changes = await self._relations.changes_since(self._store_id, known, MOST_CHANGES + 1) if known >= 0 else []
            if self.revision != known:  # somebody else was faster
                continue
            if known < 0 or len(changes) > MOST_CHANGES:
                self._forget(revision)
            for changed_at, tuple_ in changes[:MOST_CHANGES]:
                for need in _touched(tuple_):
                    self._changed[need] = changed_at
                    if need in self.facts:
                        self._used -= _size(self.facts.pop(need))
                revision = max(revision, changed_at)
            if len(self._changed) > self._room:
                self._changed, self._since = {}, revision
            self.revision = revision

    def _forget(self, revision: int) -> None:
        self.facts, self._used = {}, 0
        self._changed, self._since = {}, revision

    def unchanged(self, needs: Collection[Need], since: int) -> bool:
        """Whether these are at this revision as they were then."""
        if self.revision == since:
            return True
        changed = self._changed.get
        return since >= self._since and all(changed(need, 0) <= since for need in needs)

    def keep(self, fresh: Found) -> None:
        """Keep what is true at this revision."""
        for need, facts in fresh.items():
            if self._used > self._room:
                self.facts, self._used = {}, 0
            if need not in self.facts and _size(facts) <= LONGEST:
                # As plain tuples, see facts.py.
                self.facts[tuple(need)] = facts if facts is None else tuple(facts)
                self._used += _size(facts)


class Reading:
    """The facts that one answer stands on."""

    def __init__(self, remembered: Remembered, relations: Relations, store_id: str) -> None:
        self._remembered, self._relations, self._store_id = remembered, relations, store_id
        self._revision = remembered.revision
        self._known: dict[Need, Sequence[Fact] | None] = {}
        self._fresh: dict[Need, Sequence[Fact] | None] = {}

    async def facts(self, needs: Collection[Need]) -> Found:
        kept, found, missing = self._remembered.facts, self._known, []
        for need in needs:
            if need in kept:
                found[need] = kept[need]
            elif need not in found:
                missing.append(need)
        if missing:
            fresh = await self._relations.facts(self._store_id, missing)
            for need in missing:
                found[need] = self._fresh[need] = fresh.get(need, ())
        return found

    async def sound(self) -> bool:
        """Whether all of it was true at one moment, the end of the reading. Then what was read is kept.

        Raises `StoreNotFound`.
        """
        remembered = self._remembered
        if self._fresh:
            record = await self._relations.store(self._store_id)
            if record is None:  # it was removed meanwhile, and its tuples are swept away in no order
                raise StoreNotFound
            await remembered.catch_up(record.revision)
        if not remembered.unchanged(self._known, self._revision):
            return False
        remembered.keep(self._fresh)
        return True


def _size(facts: Sequence[Fact] | None) -> int:
    return 1 + len(facts or ())


def _touched(tuple_: RelationTuple) -> Iterator[Need]:
    object_, relation, subject = tuple_.key
    kind = kind_of(subject)
    yield Holders(object_, relation, kind)
    yield Holders(object_, relation, kind, subject)
    held = Held(subject, relation, object_.partition(":")[0])
    yield held
    yield Few(*held)
