"""Calls that no rule allows, written down without letting a storm of them flood the trail: the first of each agent one by one,
what comes beyond that together, with how many there were."""

from __future__ import annotations

import asyncio
from typing import Final

from msgspec.structs import replace

from remit_server.errors import TooManyRequests
from remit_server.records import Event
from remit_server.runtime.machines import Machines

TOGETHER: Final = 60
"""Seconds of a storm that one event tells of."""


class Refusals:
    """One for the whole server: it counts what this process sees."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        self._more: dict[tuple[str | None, str | None, str], tuple[Event, int]] = {}

    async def note(self, event: Event) -> None:
        """Write it down now, or soon together with others of the same agent, person and connection."""
        agent = event.actor.client
        try:
            self._machines.throttle.check(f"call_refused|{agent}", per_minute=6, burst=20)
        except TooManyRequests:
            if not self._more:
                self._machines.background.start(self._later())
            key = event.actor.user, agent, str(event.about.get("connection"))
            _, times = self._more.get(key, (event, 0))
            self._more[key] = event, times + 1
        else:
            await self._machines.store.commit(events=(event,))

    async def _later(self) -> None:
        try:
            await asyncio.sleep(TOGETHER)
        finally:  # a server that is told to stop writes at once
            more, self._more = self._more, {}
            events = tuple(replace(last, about={**last.about, "times": times}) for last, times in more.values())
            await self._machines.store.commit(events=events)
