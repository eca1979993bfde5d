"""The outbox and who empties it.

What is to be told is written with the request, in one unit, so no crash loses it. Every node looks after it when it is woken and
every few seconds; a row is claimed by moving its `due_at` ahead, so one node tries it at a time, and one that dies in between is
followed by another. A message may so be sent twice, and never not at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
import structlog

from remit_server.approvals.channels.notice import Addressed, Channel, NotReached, notice_of, zone_of
from remit_server.approvals.channels.webhook import Webhooks
from remit_server.records import Approval, Delivery, Event
from remit_server.rules import notifying
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost, Step
from remit_server.storage.groups.deliveries import FILED

log = structlog.get_logger("remit")

PERSON: Final = "person"
AT_ONCE, TOGETHER = 64, 16
"""Rows that one look takes, and of these at the same time."""
PATIENCE: Final = 20.0
"""Seconds that one try may take."""
CLAIMED: Final = 60
"""Seconds for which a row is one node's: longer than a try takes."""
OPEN: Final = frozenset({"pending", "info_requested"})


async def filed(machines: Machines, approval: Approval, *, again: bool = False) -> tuple[Step, ...]:
    """What is written with a request, so that its person is told; `again`, when there is news of it. Nothing, where nobody is
    asked yet or no channel is set up."""
    organisation = await machines.store.organisation.get("organisation")
    channels: Mapping[str, Any] = organisation.channels if organisation else {}
    if approval.user_id is None or not channels:
        return ()
    recipients = [f"webhook {each['name']}" for each in channels.get("webhooks", ())]
    if channels.keys() - {"webhooks"}:
        recipients.append(PERSON)
    due, add = machines.clock.now(), machines.store.deliveries.add
    steps = (add(Delivery(approval_id=approval.id, recipient=each, due_at=due)) for each in recipients)
    return tuple(
        replace(step, may_miss=again) for step in steps
    )  # who is still to be told of the request hears all of it


class Outbox:
    """Tells. `channels` are those by which a person may be told, by the names that preferences give them."""

    def __init__(self, machines: Machines, channels: Mapping[str, Channel], webhooks: Webhooks) -> None:
        self._machines, self._channels, self._webhooks = machines, channels, webhooks

    async def run(self) -> int:
        """Try all that is due now, so many at once at most; how many there were."""
        due = await self._machines.store.deliveries.due(self._machines.clock.now(), AT_ONCE)
        slots = asyncio.Semaphore(TOGETHER)

        async def one(delivery: Delivery) -> None:
            async with slots:
                with suppress(Lost):  # another node is at it
                    await self._one(delivery)

        for outcome in await asyncio.gather(*map(one, due), return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        return len(due)

    async def _one(self, delivery: Delivery) -> None:
        machines, store = self._machines, self._machines.store
        now = machines.clock.now()
        await store.commit(store.deliveries.claim(delivery, now + CLAIMED))
        mine = msgspec.structs.replace(delivery, version=delivery.version + 1, tries=delivery.tries + 1)
        approval = await store.approvals.get(mine.approval_id)
        user = await store.users.get(approval.user_id or "") if approval else None
        if approval is None or approval.state not in OPEN or user is None or user.state != "active":
            await store.commit(store.deliveries.end(mine))
        elif approval.expires_at <= now:
            await self._failed(mine, approval, "it expired first")
        else:
            preferences = await store.preferences.get(user.id)
            zone = zone_of(preferences.time_zone) or ZoneInfo("UTC")
            whom = Addressed(user=user, preferences=preferences, zone=zone)
            if mine.recipient == PERSON:
                await self._tell_person(mine, approval, whom, now)
            else:
                await self._try(mine, approval, whom, self._webhooks.to(mine.recipient), ())

    async def _tell_person(self, mine: Delivery, approval: Approval, whom: Addressed, now: int) -> None:
        held = notifying.held_until(whom.preferences, whom.zone, now, approval.expires_at)
        if held > now:
            store = self._machines.store
            await store.commit(store.deliveries.postpone(mine, held, way=mine.way, tries=mine.tries - 1))
            return
        ways = [way for way in whom.preferences.ways if await self._channels[way].reaches(whom)]
        if not ways:
            await self._failed(mine, approval, "no way leads to this person")
            return
        if mine.way not in ways:
            mine = msgspec.structs.replace(mine, way=ways[0], tries=1)
        await self._try(mine, approval, whom, self._channels[mine.way], ways)

    async def _try(
        self, mine: Delivery, approval: Approval, whom: Addressed, channel: Channel, ways: Sequence[str]
    ) -> None:
        store = self._machines.store
        notice = await notice_of(self._machines, approval, private=whom.preferences.private)
        following = notifying.after(mine.way, ways)
        try:
            async with asyncio.timeout(PATIENCE):
                await channel.tell(whom, notice)
        except NotReached as failure:
            why, for_good = failure.why, failure.for_good
        except TimeoutError:
            why, for_good = "it took too long", False
        except Exception as error:
            log.exception("a channel failed", way=mine.way or mine.recipient)
            why, for_good = type(error).__name__, False
        else:
            event = self._event("approval.notified", approval, mine)
            await store.commit(store.deliveries.end(mine), events=(event,))
            return
        now = self._machines.clock.now()
        again = notifying.next_try(mine.tries, now, approval.expires_at, last=following is None)
        if again is not None and not for_good:
            await store.commit(store.deliveries.postpone(mine, again, way=mine.way, tries=mine.tries))
        else:
            await self._failed(mine, approval, why, following)

    async def _failed(self, mine: Delivery, approval: Approval, why: str, following: str | None = None) -> None:
        """One way has failed; the next is taken at once, where there is one."""
        store, now = self._machines.store, self._machines.clock.now()
        event = self._event("approval.not_delivered", approval, mine, why=why, next=following)
        step = store.deliveries.postpone(mine, now, way=following, tries=0) if following else store.deliveries.end(mine)
        await store.commit(step, events=(event,), wakes=(FILED,) if following else ())

    def _event(self, kind: str, approval: Approval, mine: Delivery, **about: Any) -> Event:
        told = {name: value for name, value in about.items() if value is not None}
        return self._machines.event(
            kind, user=approval.user_id, client=approval.client_id, subject=approval.id,
            to=mine.recipient, way=mine.way or mine.recipient.partition(" ")[0], tries=mine.tries, **told,
        )  # fmt: skip
