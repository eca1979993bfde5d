"""GET /: to what waits for the person."""

from __future__ import annotations

from remit_server.identity.advance import see_other
from remit_server.wire.http import Answer, Request


async def home(_: Request) -> Answer:
    return see_other("/approvals")
