"""The copy: models, assertions, tuples page by page, and then the changes that were made meanwhile, until there are no more.

Each step can be taken twice, and where it was is noted after each page, so a copy that was stopped goes on where it stood.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct, field

from remit_server.access.copying.ends import Change, Differs, End, Model
from remit_server.access.remote import Refused
from remit_server.rules.relations.tuples import RelationTuple

MARGIN: Final = 3600
"""Changes are followed from so many seconds before the copy began: the other server's clock may be off."""
TOLD: Final = 20
"""Of how many tuples that were left behind the summary tells."""


class Progress(Struct, kw_only=True):
    """Where a copy stands. It holds no secret."""

    source: str
    target: str
    began: int
    models: dict[str, str] = field(default_factory=dict)
    """The id of a model there, by its id here."""
    tuples: str | None = ""
    """Where the next page begins; None when all have been copied."""
    changes: str = ""
    copied: int = 0
    followed: int = 0
    asserted: int = 0
    left: dict[str, str] = field(default_factory=dict)
    """Tuples that the target does not take, and why."""


class Copy:
    """`save` is called after each step with where the copy stands."""

    def __init__(self, source: End, target: End, progress: Progress, save: Callable[[Progress], Any]) -> None:
        self._source, self._target, self._at, self._save = source, target, progress, save

    async def run(self) -> Progress:
        """Until it is caught up. Raises `RelationsUnavailable` where an end does not answer, and `Refused` for a model that the
        target does not take."""
        await self._models()
        while self._at.tuples is not None:
            page, after = await self._source.tuples(self._at.tuples)
            self._at.copied += await self._written(page)
            self._at.tuples = after or None
            self._save(self._at)
        while True:
            since = max(0, self._at.began - MARGIN)
            changes, self._at.changes = await self._source.changes(self._at.changes, since)
            if not changes:
                return self._at
            await self._follow(changes)
            self._at.followed += len(changes)
            self._save(self._at)

    async def _models(self) -> None:
        there, models = await self._target.models(), await self._source.models()
        for model in models:
            if model.id not in self._at.models:
                # The newest here must be the newest there; an older one may stand anywhere.
                alike = there[-1:] if model is models[-1] else there
                same = next((one for one in alike if one.body == model.body), None)
                if same is None:
                    same = Model(await self._target.put_model(model.body), model.body)
                    there.append(same)
                self._at.models[model.id] = same.id
                self._save(self._at)
        for here, id_ in self._at.models.items():
            asserted = await self._source.assertions(here)
            if asserted and asserted != await self._target.assertions(id_):
                await self._target.put_assertions(id_, asserted)
                self._at.asserted += len(asserted)

    async def _follow(self, changes: Sequence[Change]) -> None:
        """What each tuple came to in the end."""
        last = {change.tuple.key: change for change in changes}
        for change in changes:
            self._at.left.pop(_named(change.tuple), None)
        deleted = [change.tuple for change in last.values() if not change.written]
        if deleted:
            await self._target.delete(deleted)
        await self._written([change.tuple for change in last.values() if change.written])

    async def _written(self, tuples: Sequence[RelationTuple]) -> int:
        """How many the target took."""
        if not tuples:
            return 0
        try:
            await self._target.write(tuples)
        except Refused as refused:
            if len(tuples) > 1:
                half = len(tuples) // 2
                return await self._written(tuples[:half]) + await self._written(tuples[half:])
            if not isinstance(refused, Differs):
                self._at.left[_named(tuples[0])] = str(refused)
                return 0
            await self._target.delete(tuples)
            await self._target.write(tuples)
        return len(tuples)


def _named(tuple_: RelationTuple) -> str:
    return " ".join(tuple_.key)
