"""Leases: of all nodes, one does a job."""

from __future__ import annotations

from remit_server.storage.contract import Engine, Lost, Step, Unit
from remit_server.storage.sql import tables as t
from remit_server.storage.sql.statements import Delete, Insert, Update


class Leases:
    _START = Insert(t.LEASES)
    _TAKE = Update(
        t.LEASES,
        set="holder = :holder, until = :until",
        where="leases.name = :name AND (leases.until <= :now OR leases.holder = :holder)",
    )
    _KEEP = Update(
        t.LEASES,
        set="until = :until",
        where="leases.name = :name AND leases.holder = :holder AND leases.until > :now",
    )
    _LEAVE = Delete(t.LEASES, where="leases.name = :name AND leases.holder = :holder")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def take(self, name: str, holder: str, now: int, seconds: int) -> bool:
        """Become the one who does the job, or go on being it. False: somebody else is, until their time is up."""
        start = Step(self._START, {"name": name, "holder": holder, "until": 0}, may_miss=True)
        take = Step(self._TAKE, {"name": name, "holder": holder, "now": now, "until": now + seconds})
        try:
            await self._engine.commit(Unit([start, take]))
        except Lost:
            return False
        return True

    def keep(self, name: str, holder: str, now: int, seconds: int) -> Step:
        """What is written with it is written by the holder or not at all: one who was too slow loses."""
        return Step(self._KEEP, {"name": name, "holder": holder, "now": now, "until": now + seconds})

    async def leave(self, name: str, holder: str) -> None:
        """Let the next one begin at once."""
        await self._engine.commit(Unit([Step(self._LEAVE, {"name": name, "holder": holder}, may_miss=True)]))
