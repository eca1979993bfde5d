"""What was withheld, for the trail alone: an agent that heard how many documents it did not get would know that they exist.

The server counts what it was asked; nobody has to be believed. What one agent asked about one subject within a minute is one
event. It names the subject apart from the actor, so it stands in no person's own timeline either. Questions without an answer
are counted together, whatever their words: those may be anything, and the trail is kept for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from remit_server.access.askers import Asker
from remit_server.access.evaluate import Evaluation
from remit_server.errors import ProtocolError
from remit_server.runtime.machines import Machines
from remit_server.runtime.ports import Verdict

TOGETHER: Final = 60
"""Seconds that one event tells of."""
MOST: Final = 5000
"""Kinds of questions that are counted at a time; beyond that, what there is is written down."""

TOLD: Final = 200
"""Characters of why there was no answer."""


class Kind(NamedTuple):
    """What is counted together. Of questions without an answer it is the client, and whom its token or agreement is of."""

    client: str
    subject: str = ""
    relation: str = ""
    type: str = ""


class Count(NamedTuple):
    asked: int = 0
    withheld: int = 0
    why: str = ""
    """There was no answer to the last of them."""


class Withheld:
    """One for the whole server: it counts what this process decides."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        self._counts: dict[Kind, Count] = {}

    async def note(
        self, who: Asker, asked: Sequence[Evaluation | ProtocolError], verdicts: Sequence[Verdict | ProtocolError]
    ) -> None:
        """Count what was decided. Questions that could not be put are no one's documents."""
        waiting = bool(self._counts)
        for one, verdict in zip(asked, verdicts, strict=True):
            if isinstance(one, Evaluation) and isinstance(verdict, Verdict):
                kind = _kind(who, one, verdict)
                total, no, _ = self._counts.get(kind, Count())
                self._counts[kind] = Count(total + 1, no + (not verdict.allowed), verdict.fault[:TOLD])
        if len(self._counts) > MOST:
            await self._write()
        elif self._counts and not waiting:
            self._machines.background.start(self._later())

    async def _later(self) -> None:
        try:
            await asyncio.sleep(TOGETHER)
        finally:  # a server that is told to stop writes at once
            await self._write()

    async def _write(self) -> None:
        counts, self._counts = self._counts, {}
        events = tuple(
            self._machines.event("access.denied", client=kind.client, **_told(kind, count))
            for kind, count in counts.items()
            if count.withheld
        )
        if events:
            await self._machines.store.commit(events=events)


def _kind(who: Asker, asked: Evaluation, verdict: Verdict) -> Kind:
    if not verdict.fault:
        return Kind(who.client.id, asked.subject, asked.action, asked.resource_type)
    return Kind(who.client.id, "" if who.anybody else asked.subject)


def _told(kind: Kind, count: Count) -> dict[str, Any]:
    words = {"about_whom": kind.subject, "relation": kind.relation, "type": kind.type, "why": count.why}
    return {name: word for name, word in words.items() if word} | {"asked": count.asked, "withheld": count.withheld}
