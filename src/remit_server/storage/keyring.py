"""The keyring of a running process: opened with the master, and kept up when another process adds a data key.

A process hears of a new data key by the wake `data_keys:ID`. Should it meet a row sealed with a key that it does not
know, it reads the keys again before it judges; a key that is not there either is an `IntegrityError`, as it must be.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from remit_server.errors import IntegrityError
from remit_server.storage.barrier import Barrier, Master
from remit_server.storage.contract import Busy, Engine, Params, Row, Unit, Wake
from remit_server.storage.groups.keys import DataKeys
from remit_server.storage.sql.statements import Select

log = logging.getLogger(__name__)


def wake(key_id: str) -> str:
    """The topic that tells every process of a new data key."""
    return f"data_keys:{key_id}"


async def unlock(engine: Engine, master: Master, now: int) -> Barrier:
    """The keyring of this database, made on the very first start. Raises `IntegrityError` when the master is another one."""
    keys = DataKeys(engine)
    rows = await keys.all()
    if not rows:
        key_id, key = Barrier.new_key()
        step = keys.add(key_id, master.wrap(key, key_id), master.id, now)
        await engine.commit(Unit([step], wakes=[wake(key_id)]))
        rows = await keys.all()
    return Barrier({row["id"]: master.unwrap(row["body"], row["id"]) for row in rows}, rows[-1]["id"])


class Keyring:
    """Reads data keys into a barrier."""

    def __init__(self, engine: Engine, master: Master, barrier: Barrier) -> None:
        self._master = master
        self._barrier = barrier
        self._keys = DataKeys(engine)
        self._reloading: asyncio.Task[None] | None = None
        engine.listen(self._heard)

    async def reload(self) -> None:
        """Raises `IntegrityError` for a new key that our master does not open: then the master was rotated, and this
        process must be started anew with the new one. Until then it goes on with the keys that it has."""
        rows = await self._keys.all()
        for row in rows:
            if row["id"] not in self._barrier:
                self._barrier.add(row["id"], self._master.unwrap(row["body"], row["id"]))
        self._barrier.use(rows[-1]["id"])

    def _heard(self, topic: str) -> None:
        if topic != "*" and not topic.startswith("data_keys:"):
            return
        if self._reloading is None or self._reloading.done():
            self._reloading = asyncio.get_running_loop().create_task(self._reload_quietly())

    async def _reload_quietly(self) -> None:
        try:
            await self.reload()
        except Busy:
            pass  # the row that needs the key asks again
        except IntegrityError as error:
            log.error("a new data key cannot be opened: %s", error)  # noqa: TRY400 - a traceback would say no more

    async def close(self) -> None:
        if self._reloading is not None:
            self._reloading.cancel()
            await asyncio.gather(self._reloading, return_exceptions=True)


class SealedReads:
    """The engine that groups with a barrier read through: no row is judged by an old keyring."""

    def __init__(self, engine: Engine, keyring: Keyring, barrier: Barrier) -> None:
        self._engine = engine
        self._keyring = keyring
        self._barrier = barrier
        self.dialect = engine.dialect

    @property
    def hears(self) -> bool:
        return self._engine.hears

    async def one(self, select: Select, params: Params) -> Row | None:
        row = await self._engine.one(select, params)
        await self._prepare([] if row is None else [row])
        return row

    async def many(self, select: Select, params: Params) -> Sequence[Row]:
        rows = await self._engine.many(select, params)
        await self._prepare(rows if ".*" in select.wanted else [])  # what is counted brings no body along
        return rows

    async def _prepare(self, rows: Sequence[Row]) -> None:
        if any(self._barrier.lacks_key_of(row["body"]) for row in rows if row["body"] is not None):
            await self._keyring.reload()

    async def commit(self, unit: Unit) -> list[Row | None]:
        return await self._engine.commit(unit)

    def listen(self, wake: Wake) -> None:
        self._engine.listen(wake)

    async def close(self) -> None:
        await self._engine.close()
