"""GET /activity/export: the same events as JSON lines; for administrators with the chain, so that anybody can verify it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from remit_server.errors import IntegrityError
from remit_server.records import Event, User
from remit_server.runtime.machines import Machines
from remit_server.ui.pages.activity import ON_A_PAGE
from remit_server.ui.pages.doorkeeper import sign_in_first, signed_in
from remit_server.wire.http import NO_STORE, Answer, Request, Stream
from remit_server.wire.visitor import visitor

HEADERS = (
    ("content-type", "application/jsonl"),
    ("content-disposition", 'attachment; filename="activity.jsonl"'),
    ("x-content-type-options", "nosniff"),
    *NO_STORE,
)


class Export:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def __call__(self, request: Request) -> Answer | Stream:
        person = signed_in(who := await visitor(request, self._machines))
        if person is None:
            return await sign_in_first(self._machines, who, "/activity")
        user, _ = person
        return Stream(self._all() if user.administrator else self._own(user), headers=HEADERS)

    async def _all(self) -> AsyncIterator[bytes]:
        try:
            async for seq, event, hash_ in self._machines.store.trail.everything():
                yield _line(seq, event, hash=hash_.hex())
        except IntegrityError as error:  # what does not verify is not passed on as if it did
            yield msgspec.json.encode({"error": str(error)}) + b"\n"

    async def _own(self, user: User) -> AsyncIterator[bytes]:
        before = 2**62
        while some := await self._machines.store.trail.of_user(user.id, before=before, limit=ON_A_PAGE):
            for seq, event in some:
                yield _line(seq, event)
            before = some[-1][0]


def _line(seq: int, event: Event, **more: str) -> bytes:
    return msgspec.json.encode({"seq": seq, **more, **msgspec.to_builtins(event)}) + b"\n"
