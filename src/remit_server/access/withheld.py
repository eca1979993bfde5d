"""What was withheld, for the trail alone: an agent that heard how many documents it did not get would know that they exist.

The server counts what it was asked; nobody has to be believed. What one agent asked about one subject within a minute is one
event. It names the subject apart from the actor, so it stands in no person's own timeline either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from remit_server.access.askers import Asker
from remit_server.access.evaluate import Evaluation
from remit_server.errors import ProtocolError
from remit_server.runtime.machines import Machines

TOGETHER: Final = 60
"""Seconds that one event tells of."""
MOST: Final = 5000
"""Kinds of questions that are counted at a time; beyond that, what there is is written down."""

Key = tuple[str, str, str, str]


class Withheld:
    """One for the whole server: it counts what this process decides."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        self._counts: dict[Key, tuple[int, int]] = {}

    async def note(
        self, who: Asker, asked: Sequence[Evaluation | ProtocolError], decisions: Sequence[Mapping[str, Any]]
    ) -> None:
        """Count what was decided. Questions that could not be put are no one's documents."""
        waiting = bool(self._counts)
        for one, decision in zip(asked, decisions, strict=True):
            if isinstance(one, Evaluation):
                key = who.client.id, one.subject, one.action, one.resource_type
                total, no = self._counts.get(key, (0, 0))
                self._counts[key] = total + 1, no + (decision["decision"] is not True)
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
            self._machines.event(
                "access.denied",
                client=client,
                about_whom=subject,
                relation=relation,
                type=type_,
                asked=total,
                withheld=no,
            )
            for (client, subject, relation, type_), (total, no) in counts.items()
            if no
        )
        if events:
            await self._machines.store.commit(events=events)
