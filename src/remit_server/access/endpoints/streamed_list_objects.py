"""POST /stores/{store_id}/streamed-list-objects: all of them, however many, each on a line of its own as soon as it is found.

What goes wrong before the first is an error like any other; after that it is the last line: who reads to the end without
meeting one has seen everything. An object is told when what proves it was true at one moment, however much is written meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from typing import Any, Final

import msgspec

from remit_server.access.askers import service
from remit_server.access.endpoints.list_objects import Wanted, wanted
from remit_server.access.engine import Engine
from remit_server.access.members import members
from remit_server.access.stores import Opened, Stores
from remit_server.errors import ProtocolError, ServerError
from remit_server.rules.relations.facts import Steps
from remit_server.rules.relations.list_objects import Listed, list_objects
from remit_server.runtime.machines import Machines
from remit_server.wire.answer import refusal
from remit_server.wire.http import NO_STORE, Request, Stream

HEADERS: Final = (("content-type", "application/json"), *NO_STORE, ("x-accel-buffering", "no"))
_INVALID_ARGUMENT, _RESOURCE_EXHAUSTED, _INTERNAL = 3, 8, 13  # gRPC's codes, which this API's streams have for errors
_encode = msgspec.json.Encoder().encode


class StreamedListObjects:
    def __init__(self, machines: Machines, stores: Stores, engine: Engine) -> None:
        self._machines, self._stores, self._engine = machines, stores, engine

    async def __call__(self, request: Request) -> Stream:
        await service(request, self._machines)
        opened, of = await wanted(request, await members(request), self._machines, self._stores)
        lines = self._lines(request, opened, of)
        first = await anext(lines, b"")  # or it is refused while that can still be said
        return Stream(_together(first, lines), headers=HEADERS)

    async def _lines(self, request: Request, opened: Opened, of: Wanted) -> AsyncGenerator[bytes, None]:
        found: asyncio.Queue[Collection[str]] = asyncio.Queue()
        proved: set[str] = set()

        def begin() -> list[Steps[Listed]]:
            proved.clear()
            return [list_objects(opened.model, of.asker, of.type, of.relation, proved.update)]

        def stands() -> None:
            found.put_nowait(frozenset(proved))
            proved.clear()

        looking = asyncio.ensure_future(self._engine.answer(opened, begin, stands))

        def over(of: asyncio.Future[Any]) -> None:
            found.put_nowait(())
            _ = of.cancelled() or of.exception()  # nobody need read it who has gone

        looking.add_done_callback(over)
        gone = asyncio.ensure_future(request.hung_up())
        told: set[str] = set()
        try:
            while not (looking.done() and found.empty()):
                fresh = set(await _or_gone(found, gone)) - told
                if gone.done():
                    return
                if fresh:
                    told |= fresh
                    yield b"".join(_encode({"result": {"object": object_}}) + b"\n" for object_ in sorted(fresh))
            (listed,) = looking.result()
            if listed.partial:
                yield _failed(_RESOURCE_EXHAUSTED, "There are more; a limit was met.")
        except ProtocolError as error:
            if not told:
                raise
            yield _failed(_INVALID_ARGUMENT if error.status < ServerError.status else _INTERNAL, error.text)
        except Exception as error:
            if not told:
                raise
            yield _failed(_INTERNAL, refusal(error, request).text)
        finally:
            looking.cancel()
            gone.cancel()


async def _or_gone(found: asyncio.Queue[Collection[str]], gone: asyncio.Future[None]) -> Collection[str]:
    """What was found next; nothing when whoever asked has gone before."""
    getting = asyncio.ensure_future(found.get())
    await asyncio.wait((getting, gone), return_when=asyncio.FIRST_COMPLETED)
    if getting.done():
        return getting.result()
    getting.cancel()
    return ()


def _failed(code: int, message: str) -> bytes:
    error: dict[str, Any] = {"code": code, "message": message, "details": []}
    return _encode({"error": error}) + b"\n"


async def _together(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(rest):
        if first:
            yield first
        async for each in rest:
            yield each
