"""Every way to tell a person, by the name that preferences give it; and a try of them, which asks for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from msgspec import Struct

from remit_server.approvals.channels.email import Email
from remit_server.approvals.channels.notice import Addressed, Channel, Notice, NotReached, zone_of
from remit_server.approvals.channels.ntfy import Ntfy
from remit_server.approvals.channels.web_push import WebPush
from remit_server.records import User
from remit_server.records.notification import Way
from remit_server.runtime.ids import new_id
from remit_server.runtime.machines import Machines

log = structlog.get_logger("remit")

PATIENCE: Final = 10.0
"""Seconds for which the person waits for one way."""
_HOLDS: Final = 600
"""Seconds after which a push service need not deliver it any more."""


def ways_of(machines: Machines) -> Mapping[str, Channel]:
    return {"web_push": WebPush(machines), "ntfy": Ntfy(machines), "email": Email(machines)}


class Tried(Struct, frozen=True, kw_only=True):
    """What came of one way."""

    way: Way
    why: str | None = None
    """It was not sent, in plain words; None: it was."""


class Trial:
    """Sends this person a message by each way that they chose, whether or not another reached them."""

    def __init__(self, machines: Machines, channels: Mapping[str, Channel]) -> None:
        self._machines, self._channels = machines, channels

    async def run(self, user: User) -> tuple[Tried, ...]:
        """Raises `TooManyRequests`: it is mail that somebody has to carry."""
        machines = self._machines
        machines.throttle.check(f"trial|{user.id}", per_minute=2, burst=3)
        preferences = await machines.store.preferences.get(user.id)
        whom = Addressed(user=user, preferences=preferences, zone=zone_of(preferences.time_zone) or ZoneInfo("UTC"))
        ready = [way for way in preferences.ways if await self._channels[way].reaches(whom)]
        notice = Notice(
            approval_id=new_id(), agent="Remit", title="A try from Remit", action=None, asks=False,
            url=machines.settings.url("/notifications"), expires_at=machines.clock.now() + _HOLDS,
        )  # fmt: skip
        return tuple(await asyncio.gather(*(self._one(way, whom, notice) for way in ready)))

    async def _one(self, way: Way, whom: Addressed, notice: Notice) -> Tried:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._channels[way].tell(whom, notice)
        except NotReached as failure:
            return Tried(way=way, why=failure.why)
        except TimeoutError:
            return Tried(way=way, why="it took too long")
        except Exception:
            log.exception("a channel failed", way=way)
            return Tried(way=way, why="something failed here; the log of the server says what")
        return Tried(way=way)
