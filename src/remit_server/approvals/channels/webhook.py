"""Webhooks of the organisation, signed as Standard Webhooks 1.0.0 has it: others may add channels of their own with them."""

from __future__ import annotations

from typing import Any

import msgspec

from remit_server.approvals.channels.notice import Addressed, Channel, Notice, NotReached
from remit_server.errors import TemporarilyUnavailable
from remit_server.rules.webhook_signature import signature
from remit_server.runtime.machines import Machines


class Webhooks:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    def to(self, recipient: str) -> Channel:
        return _Webhook(self._machines, recipient.partition(" ")[2])


class _Webhook:
    def __init__(self, machines: Machines, name: str) -> None:
        self._machines, self._name = machines, name

    async def _configured(self) -> dict[str, Any] | None:
        organisation = await self._machines.store.organisation.get("organisation")
        found = organisation.channels.get("webhooks", ()) if organisation else ()
        return next((each for each in found if each["name"] == self._name), None)

    async def reaches(self, whom: Addressed) -> bool:  # noqa: ARG002 - it goes to the organisation, not to the person
        return await self._configured() is not None

    async def tell(self, whom: Addressed, notice: Notice) -> None:
        hook = await self._configured()
        if hook is None:
            raise NotReached("this webhook is not configured any more", for_good=True)
        now = self._machines.clock.now()
        data = {"user": whom.user.id, **msgspec.to_builtins(notice)}
        kind = "approval.answered_question" if notice.replies else "approval.asked"
        body = msgspec.json.encode({"type": kind, "timestamp": now, "data": data})
        message_id = f"msg_{notice.name}"
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(now),
            "webhook-signature": signature(hook["secret"], message_id, now, body),
        }
        try:
            reply = await self._machines.outbound.send("POST", hook["url"], headers=headers, body=body)
        except TemporarilyUnavailable as error:
            raise NotReached("it could not be reached") from error
        if not 200 <= reply.status < 300:
            # A receiver says by 410 that it wants no more (Standard Webhooks, "Operational considerations").
            raise NotReached(f"it answered {reply.status}", for_good=reply.status == 410)
