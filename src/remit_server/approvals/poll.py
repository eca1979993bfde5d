"""The client comes back for the answer: wait, hear no, or take what was approved, once."""

from __future__ import annotations

from remit_server.approvals.ask import expire
from remit_server.approvals.hand_over import made, taken
from remit_server.approvals.waiting import Waiting
from remit_server.errors import ExpiredToken, InvalidGrant, ProtocolError
from remit_server.records import Approval
from remit_server.rules import polling, thread
from remit_server.runtime.ids import hashed
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost
from remit_server.wire.grants import TokenRequest
from remit_server.wire.http import Answer
from remit_server.wire.tokens import hand_out


class Poll:
    """What both grants that poll do."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        self._waiting = Waiting(machines)

    async def __call__(self, asked: TokenRequest, handle: str, *, kind: str, grant: str) -> Answer:
        """The token response of an approved request. Raises the errors of polling (RFC 8628 section 3.5, CIBA section 11)."""
        machines, held = self._machines, 0
        approval = await machines.store.approvals.by_handle(hashed(handle))
        if approval is None or approval.kind != kind:
            raise InvalidGrant(detail="no such request")
        judged = await self._judged(asked, approval)
        if isinstance(judged, polling.Wait):
            await self._remember(approval, judged)
            prefer = ", ".join(asked.request.headers("prefer"))
            held = polling.preferred_wait(prefer, machines.settings.longest_poll)
            if held and not judged.too_fast:
                now = machines.clock.now()
                approval = await self._waiting.until_changed(approval, held, asked.request)
                held = machines.clock.now() - now
                again = await self._judged(asked, approval)
                judged = judged if isinstance(again, polling.Wait) else again
        if isinstance(judged, polling.Wait):
            raise self._refusal(judged, approval, held=held)
        return await self._take(asked, approval, grant)

    async def _judged(self, asked: TokenRequest, approval: Approval) -> polling.Wait | polling.Take:
        try:
            return polling.judge(approval, asked.client, jkt=asked.jkt, now=self._machines.clock.now())
        except ExpiredToken:
            await expire(self._machines, approval)
            raise

    async def _remember(self, approval: Approval, wait: polling.Wait) -> None:
        approvals, now = self._machines.store.approvals, self._machines.clock.now()
        step = approvals.poll(approval, now, interval=wait.interval, slow_downs=wait.slow_downs)
        try:
            await self._machines.store.commit(step)
        except Lost as error:  # two polls at once: the second was too fast
            too_fast = polling.Wait(wait.interval, wait.slow_downs, too_fast=True)
            raise self._refusal(too_fast, approval, held=0) from error

    def _refusal(self, wait: polling.Wait, approval: Approval, *, held: int) -> ProtocolError:
        """What a client hears that must wait; and what the person wants to know of it first."""
        refusal = polling.refusal(wait, held=held)
        if (question := thread.question(approval)) is not None:
            refusal.members["interaction"] = {
                "question": question.text,
                "asked_by": approval.user_id,
                "asked_at": question.at,
                "reply_uri": self._machines.settings.url("/approvals/reply"),
            }
        return refusal

    async def _take(self, asked: TokenRequest, approval: Approval, name: str) -> Answer:
        machines = self._machines
        answered = await made(machines, asked.client, approval, jkt=asked.jkt)
        event = taken(machines, approval, answered, address=asked.request.address, grant=name)
        until = answered.access.token.expires_at
        step = machines.store.approvals.take(approval.id, machines.clock.now(), use_until=until)
        try:
            return await hand_out(machines, answered, event, deciding=(step,))
        except Lost as error:
            raise InvalidGrant("This request's tokens were fetched in this moment by another poll.") from error
