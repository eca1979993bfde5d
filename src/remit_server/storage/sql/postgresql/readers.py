"""The reading connections. Point reads of one statement that wait together are answered by one query."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from remit_server.storage.contract import Busy, Params, Row
from remit_server.storage.sql.dialect import postgresql_point, postgresql_select
from remit_server.storage.sql.postgresql.link import AWAY, UNSTORABLE, Link, as_json, connect, let_go, reconnect
from remit_server.storage.sql.statements import Select

COUNT: Final = 3
LISTING: Final = 2
"""How many listings run at once: fewer than there are connections, so that point reads always have one."""

Found = Sequence[Sequence[Row]]
Asked = tuple[Sequence[Params], "asyncio.Future[Found]"]


class Readers:
    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: list[Link] = []
        self._points: dict[Select, list[Asked]] = {}
        self._borrowers: deque[asyncio.Future[Link]] = deque()
        self._listing = asyncio.Semaphore(LISTING)
        self._serving = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def open(self) -> None:
        for _ in range(COUNT):
            self._idle.append(await connect(self._url))

    async def close(self) -> None:
        self._closed = True
        self._fail_waiting()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in self._idle:
            await let_go(link)

    async def one(self, select: Select, params: Params) -> Row | None:
        rows = await self.few(select, params)
        return rows[0] if rows else None

    async def few(self, select: Select, params: Params) -> Sequence[Row]:
        (rows,) = await self.each(select, [params])
        return rows

    async def each(self, select: Select, asked: Sequence[Params]) -> Found:
        if self._closed:
            raise Busy("the store is closed")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Found] = loop.create_future()
        self._points.setdefault(select, []).append((asked, answer))
        if not self._serving:
            # Not at once: requests that arrive in the same turn of the loop go in the same query.
            self._serving = True
            loop.call_soon(loop.call_soon, self._serve)
        return await answer

    async def many(self, select: Select, params: Params) -> Sequence[Row]:
        async with self._listing:
            link = await self._borrow()
            try:
                rows: Sequence[Row] = await link.fetch(postgresql_select(select), *(params[n] for n in select.names))
            except UNSTORABLE:
                return []
            except AWAY as error:
                link.terminate()
                raise Busy(f"PostgreSQL: {error}") from error
            else:
                return rows
            finally:
                self._give_back(link)

    def _serve(self) -> None:
        self._serving = False
        while self._idle and self._borrowers:
            borrower = self._borrowers.popleft()
            if not borrower.done():
                borrower.set_result(self._idle.pop())
        while self._idle and self._points:
            select = next(iter(self._points))
            self._spawn(self._answer(self._idle.pop(), select, self._points.pop(select)))

    async def _answer(self, link: Link, select: Select, asked: list[Asked]) -> None:
        try:
            await self._ask(link, select, asked)
        finally:
            self._give_back(link)

    async def _ask(self, link: Link, select: Select, asked: list[Asked]) -> None:
        try:
            found = iter(await self._find(link, select, [params for some, _ in asked for params in some]))
        except Exception as error:  # noqa: BLE001 - whatever it was, those who asked must hear of it
            if len(asked) > 1 and not isinstance(error, AWAY):
                for one in asked:  # one of them spoiled it for all
                    await self._ask(link, select, [one])
                return
            self._refuse(link, asked, error)
        else:
            for some, answer in asked:
                rows = [next(found) for _ in some]
                if not answer.done():
                    answer.set_result(rows)

    async def _find(self, link: Link, select: Select, values: list[Params]) -> Found:
        found: list[list[Row]] = [[] for _ in values]
        try:
            for row in await link.fetch(postgresql_point(select), as_json(values)):
                found[row["p_row"] - 1].append(row)
        except UNSTORABLE:
            if len(values) > 1:  # one of them spoiled it for all
                return [rows for one in values for rows in await self._find(link, select, [one])]
            return [()]  # what cannot be stored is not there
        return found

    def _refuse(self, link: Link, asked: list[Asked], error: Exception) -> None:
        if away := isinstance(error, AWAY):
            link.terminate()
        for _, answer in asked:
            if not answer.done():
                answer.set_exception(Busy(f"PostgreSQL: {error}") if away else error)

    # lending connections

    async def _borrow(self) -> Link:
        if self._closed:
            raise Busy("the store is closed")
        lent: asyncio.Future[Link] = asyncio.get_running_loop().create_future()
        self._borrowers.append(lent)
        self._serve()
        try:
            return await lent
        except asyncio.CancelledError:
            if lent.done() and not lent.cancelled() and lent.exception() is None:
                self._give_back(lent.result())  # it was handed over in the moment in which we were told to go
            raise

    def _give_back(self, link: Link) -> None:
        if link.is_closed() and not self._closed:
            self._spawn(self._replace())
            return
        self._idle.append(link)
        self._serve()

    async def _replace(self) -> None:
        link = await reconnect(self._url, wanted=lambda: not self._closed, failed=self._fail_waiting)
        if link is not None:
            self._give_back(link)

    def _fail_waiting(self) -> None:
        """Nobody waits for a database that is away."""
        points, self._points = self._points, {}
        waiting: list[asyncio.Future[Any]] = [answer for asked in points.values() for _, answer in asked]
        waiting += self._borrowers
        self._borrowers.clear()
        for answer in waiting:
            if not answer.done():
                answer.set_exception(Busy("PostgreSQL is away"))

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
