"""Jobs that come round: each has one doer among all nodes, by a lease."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import structlog

from remit_server.errors import RemitError
from remit_server.runtime.clock import Clock
from remit_server.runtime.ids import new_id
from remit_server.storage.store import Store

log = structlog.get_logger("remit")


class Job(NamedTuple):
    name: str
    every: int
    """Seconds from one run to the next, whichever node does it."""
    run: Callable[[], Awaitable[object]]


class Worker:
    """Runs jobs until it is closed. A job that fails is logged and comes round again."""

    def __init__(self, store: Store, clock: Clock, jobs: Sequence[Job]) -> None:
        self._store, self._clock, self._jobs = store, clock, jobs
        self._id = new_id()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._again_and_again(job)) for job in self._jobs]

    async def close(self) -> None:
        """A job under way is ended: whatever it writes is whole or not there, and the next run goes on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _again_and_again(self, job: Job) -> None:
        while True:
            # Nodes that started together do not ask for the lease together for ever.
            await asyncio.sleep(job.every * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, guards nothing
            try:
                await self.once(job)
            except (RemitError, OSError) as error:
                log.warning("job failed", job=job.name, fault=str(error))
            except Exception:
                log.exception("job failed", job=job.name)

    async def once(self, job: Job) -> bool:
        """Run a job, if nobody else has within its time. The lease is kept until then, not given back."""
        if not await self._store.leases.take(f"job {job.name}", self._id, self._clock.now(), job.every // 2):
            return False
        await job.run()
        return True
