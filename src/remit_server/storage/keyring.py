"""The keyring of a running process: opened with the master, and kept up when another process adds a data key.

A process hears of a new data key by the wake `data_keys:ID`. Should it meet a row sealed with a key that it does not
know, it reads the keys again before it judges; a key that is not there either is an `IntegrityError`, as it must be.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import NamedTuple

from remit_server.errors import IntegrityError
from remit_server.storage.barrier import Barrier
from remit_server.storage.contract import Busy, Engine, Params, Row, Unit, Wake
from remit_server.storage.groups.keys import DataKeys
from remit_server.storage.keepers import Keeper, KeeperUnavailable, wrap_surely
from remit_server.storage.sql.statements import Select

log = logging.getLogger(__name__)


def wake(key_id: str) -> str:
    """The topic that tells every process of a new data key."""
    return f"data_keys:{key_id}"


async def open_all(rows: Sequence[Row], keeper: Keeper) -> dict[str, bytes]:
    """Every data key among these rows, by id, the newest last. Raises `IntegrityError` when one of them has no wrapping that
    this master opens, `KeeperUnavailable` when it cannot be asked."""
    ours = {row["id"]: row["body"] for row in rows if row["wrapped_by"] == keeper.id}
    for row in rows:
        if row["id"] not in ours:
            others = ", ".join(sorted({row["wrapped_by"] for row in rows} - {keeper.id}))
            raise IntegrityError(
                f"the master key does not open this database's data keys: it is {keeper.id}, and they are wrapped by {others}"
            )
    return {key_id: await keeper.unwrap(body, key_id) for key_id, body in ours.items()}


class DataKey(NamedTuple):
    """A fresh data key, not stored yet."""

    id: str
    key: bytes
    wrapped: bytes


async def fresh(keeper: Keeper) -> DataKey:
    key_id, key = Barrier.new_key()
    return DataKey(key_id, key, await wrap_surely(keeper, key, key_id))


async def unlock(engine: Engine, keeper: Keeper, known: dict[str, bytes], first: DataKey | None, now: int) -> Barrier:
    """The keyring of this database: the data keys that are `known`, and others that were added since. `first` is stored when
    there is none at all. Raises `IntegrityError` when the master is another one."""
    keys = DataKeys(engine)
    rows = await keys.all()
    if not rows:
        first = first or await fresh(keeper)
        known = {**known, first.id: first.key}
        step = keys.add(first.id, first.wrapped, keeper.id, now)
        await engine.commit(Unit([step], wakes=[wake(first.id)]))
        rows = await keys.all()
    unknown = await open_all([row for row in rows if row["id"] not in known], keeper)
    return Barrier({**known, **unknown}, rows[-1]["id"])


class Keyring:
    """Reads data keys into a barrier."""

    def __init__(self, engine: Engine, keeper: Keeper, barrier: Barrier) -> None:
        self._keeper = keeper
        self._barrier = barrier
        self._keys = DataKeys(engine)
        self._reloading: asyncio.Task[None] | None = None
        self._one = asyncio.Lock()
        self._closed = False
        engine.listen(self._heard)

    async def reload(self) -> None:
        """One at a time, so that a key service is asked once for each new key however many requests wait for it.

        Raises `IntegrityError` for a new key that our master does not open: this process was not told of a move to another
        master, and must be started anew with it. Until then it goes on with the keys that it has. Raises `Busy` while the
        master cannot be asked.
        """
        async with self._one:
            rows = await self._keys.all()
            try:
                new = await open_all([row for row in rows if row["id"] not in self._barrier], self._keeper)
            except KeeperUnavailable as error:
                raise Busy(f"a new data key cannot be opened now: {error}") from error
            for key_id, key in new.items():
                self._barrier.add(key_id, key)
            self._barrier.use(rows[-1]["id"])

    def _heard(self, topic: str) -> None:
        if self._closed or (topic != "*" and not topic.startswith("data_keys:")):
            return
        if self._reloading is None or self._reloading.done():
            self._reloading = asyncio.get_running_loop().create_task(self._reload_quietly())

    async def _reload_quietly(self) -> None:
        try:
            await self.reload()
        except Busy as busy:  # the row that needs the key asks again
            log.warning("data keys were not read again: %s", busy)
        except IntegrityError as error:
            log.error("a new data key cannot be opened: %s", error)  # noqa: TRY400 - a traceback would say no more

    async def close(self) -> None:
        """Before the engine is: what is heard after this would be read in vain."""
        self._closed = True
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

    async def few(self, select: Select, params: Params) -> Sequence[Row]:
        rows = await self._engine.few(select, params)
        await self._prepare(rows)
        return rows

    async def each(self, select: Select, asked: Sequence[Params]) -> Sequence[Sequence[Row]]:
        found = await self._engine.each(select, asked)
        await self._prepare([row for rows in found for row in rows])
        return found

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
