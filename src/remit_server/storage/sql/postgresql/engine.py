"""The engine over PostgreSQL: the number of round trips follows the number of batches, not of requests."""

from __future__ import annotations

from collections.abc import Sequence

from remit_server.storage.contract import Params, Row, Unit, Wake
from remit_server.storage.sql.postgresql.listener import Listener
from remit_server.storage.sql.postgresql.readers import Readers
from remit_server.storage.sql.postgresql.writer import Writer
from remit_server.storage.sql.statements import Select


class PostgresEngine:
    """See `storage.contract.Engine`."""

    dialect = "postgresql"

    def __init__(self, url: str, *, queue_limit: int = 4096) -> None:
        self._wakes: list[Wake] = []
        self._readers = Readers(url)
        self._writer = Writer(url, self._tell, queue_limit)
        self._listener = Listener(url, self._tell)
        self._closed = False

    @classmethod
    async def open(cls, url: str, *, queue_limit: int = 4096) -> PostgresEngine:
        engine = cls(url, queue_limit=queue_limit)
        try:
            await engine._readers.open()
            await engine._writer.open()
            await engine._listener.open()
        except BaseException:
            await engine.close()
            raise
        return engine

    @property
    def hears(self) -> bool:
        return self._listener.hears

    async def one(self, select: Select, params: Params) -> Row | None:
        return await self._readers.one(select, params)

    async def few(self, select: Select, params: Params) -> Sequence[Row]:
        return await self._readers.few(select, params)

    async def each(self, select: Select, asked: Sequence[Params]) -> Sequence[Sequence[Row]]:
        return await self._readers.each(select, asked)

    async def many(self, select: Select, params: Params) -> Sequence[Row]:
        return await self._readers.many(select, params)

    async def commit(self, unit: Unit) -> list[Row | None]:
        return await self._writer.commit(unit)

    def listen(self, wake: Wake) -> None:
        self._wakes.append(wake)

    def _tell(self, topic: str) -> None:
        for wake in self._wakes:
            wake(topic)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._writer.close()
        await self._listener.close()
        await self._readers.close()
