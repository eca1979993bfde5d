"""Ping and push: the client is told of the answer at the endpoint that it registered (CIBA Core 1.0 sections 10.2 and 10.3).

That a client is to be told is written with the answer, in one unit. Every node looks when it is woken and every few seconds; a
row is claimed by moving its time ahead, so one node tells, and one that dies in between is followed by another. What is pushed
is made once and kept sealed until it has arrived: a client may get it twice, but never two of them.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import msgspec
import structlog

from remit_server.approvals.ask import handle_of
from remit_server.approvals.hand_over import made, taken
from remit_server.errors import AccessDenied, ProtocolError, RemitError
from remit_server.records import Approval, Client
from remit_server.rules.polling import TAKE_WITHIN
from remit_server.runtime.machines import Machines
from remit_server.runtime.outbound import OutboundRefused
from remit_server.storage.contract import Lost, Step

log = structlog.get_logger("remit")

AT_ONCE, TOGETHER = 64, 16
"""Clients that one look takes, and of these at the same time."""
CLAIMED: Final = 30
"""Seconds for which a row is one node's: longer than a try takes."""
PAUSES: Final = (5, 20, 60, 180, TAKE_WITHIN - 265)
"""Seconds after each try that failed. After the last one an approval could not be fetched any more either."""
LATER: Final = frozenset({408, 425, 429, *range(500, 600)})
"""Answers that may be better the next time. Any other that is no 2xx is the client's own word, above all 401 and 403."""


class Teller:
    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def once(self) -> int:
        """Tell every client whose time has come; how many there were."""
        machines, slots = self._machines, asyncio.Semaphore(TOGETHER)
        due = await machines.store.approvals.to_tell(machines.clock.now(), AT_ONCE)

        async def one(approval_id: str) -> None:
            async with slots:
                try:
                    await self._tell(approval_id)
                except RemitError as error:  # one that cannot be told keeps nobody else waiting
                    log.warning("a client not told", approval=approval_id, fault=str(error))

        await asyncio.gather(*map(one, due))
        return len(due)

    async def _tell(self, approval_id: str) -> None:
        machines, approvals = self._machines, self._machines.store.approvals
        try:
            await machines.store.commit(approvals.tell(approval_id, machines.clock.now(), CLAIMED))
        except Lost:
            return
        approval = await approvals.get(approval_id)
        if approval is None:
            return
        client = await machines.store.clients.get(approval.client_id)
        if client is None or client.state != "active" or client.backchannel_client_notification_endpoint is None:
            await self._settle(approval, "the client is gone, suspended, or has no endpoint any more", None)
            return
        try:
            approval, body = await self._message(client, approval)
        except Lost:  # taken in this moment
            return
        why, later = await self._sent(client.backchannel_client_notification_endpoint, approval, body)
        pause = PAUSES[approval.notify_tries - 1] if later and approval.notify_tries <= len(PAUSES) else None
        await self._settle(approval, why, pause)

    async def _message(self, client: Client, approval: Approval) -> tuple[Approval, dict[str, Any]]:
        """What to say; and the approval, which has been taken when what it is worth is pushed."""
        named = {"auth_req_id": handle_of(self._machines, approval.id)}
        if approval.mode == "ping":
            return approval, named
        if approval.parcel is not None:
            return approval, approval.parcel
        match approval.state:
            case "approved":
                try:
                    return await self._packed(client, approval, named)
                except ProtocolError as error:
                    # Section 12: of what may go wrong now, only a refusal has a name of its own.
                    code = "access_denied" if isinstance(error, AccessDenied) else "transaction_failed"
                    return approval, {**named, "error": code, "error_description": error.description}
            case "denied":
                reason = {"reason": approval.reason} if approval.reason else {}
                return approval, {**named, "error": "access_denied", **reason}
            case _:
                return approval, {**named, "error": "expired_token"}

    async def _packed(
        self, client: Client, approval: Approval, named: dict[str, str]
    ) -> tuple[Approval, dict[str, Any]]:
        """Tokens, stored and on their way in one unit (section 10.3.1)."""
        machines, store = self._machines, self._machines.store
        answered = await made(machines, client, approval, jkt=approval.jkt, auth_req_id=named["auth_req_id"])
        body = {**named, **answered.json()}
        packed = msgspec.structs.replace(
            approval,
            parcel=body,
            state="taken",
            version=approval.version + 1,
            use_until=answered.access.token.expires_at,
        )
        tokens = [store.tokens.add(answered.access.token)]
        if answered.refresh:
            tokens.append(store.tokens.add(answered.refresh.token))
        event = taken(machines, approval, answered, address=None, grant="push")
        await store.commit(store.approvals.pack(packed, machines.clock.now()), *tokens, events=(event,))
        return packed, body

    async def _sent(self, endpoint: str, approval: Approval, body: dict[str, Any]) -> tuple[str | None, bool]:
        """Why it has not arrived, if it has not, and whether it is worth another try."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {approval.notification_token}"}
        try:
            reply = await self._machines.outbound.send(
                "POST", endpoint, headers=headers, body=msgspec.json.encode(body), named=True
            )
        except OutboundRefused as error:
            return error.detail or error.code, True
        if 200 <= reply.status < 300:
            return None, False
        return f"it answered {reply.status}", reply.status in LATER

    async def _settle(self, approval: Approval, why: str | None, pause: int | None) -> None:
        """Write what came of a try. Tokens that have not arrived in the end are worth nothing."""
        machines, store, now = self._machines, self._machines.store, self._machines.clock.now()
        steps: list[Step] = [store.approvals.told(approval, None if pause is None else now + pause)]
        kind = "approval.client_not_told" if why else "approval.client_told"
        if why and pause is None and approval.mode == "push" and approval.grant_id is not None:
            revoked = store.grants.revoke(approval.grant_id, now, "not delivered")
            steps.append(replace(revoked, may_miss=True))  # the person may have been first
        event = machines.event(
            kind, user=approval.user_id, client=approval.client_id, subject=approval.id, how=approval.mode, why=why,
            again_at=None if pause is None else now + pause,
        )  # fmt: skip
        with suppress(Lost):  # somebody else has taken over, and tells what came of it
            await store.commit(*steps, events=(event,))
