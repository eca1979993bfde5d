"""The client comes back for the answer: wait, hear no, or take what was approved, once."""

from __future__ import annotations

from typing import Any

from remit_server.approvals.ask import wakes
from remit_server.errors import ExpiredToken, InvalidGrant
from remit_server.records import Approval, Client
from remit_server.rules import polling
from remit_server.runtime.ids import hashed
from remit_server.runtime.machines import Machines
from remit_server.runtime.ports import Act
from remit_server.storage.contract import Lost
from remit_server.wire.grants import TokenRequest
from remit_server.wire.http import Answer
from remit_server.wire.targets import remaining
from remit_server.wire.tokens import Answered, described, hand_out, permitted


async def collect(machines: Machines, asked: TokenRequest, handle: str, *, kind: str, grant: str) -> Answer:
    """The token response of an approved request. Raises the errors of polling (RFC 8628 section 3.5, CIBA section 11)."""
    now = machines.clock.now()
    approval = await machines.store.approvals.by_handle(hashed(handle))
    if approval is None or approval.kind != kind:
        raise InvalidGrant(detail="no such request")
    try:
        judged = polling.judge(approval, asked.client, jkt=asked.jkt, now=now)
    except ExpiredToken:
        await _expire(machines, approval, now)
        raise
    if isinstance(judged, polling.Wait):
        await _remember(machines, approval, judged, now)
        raise polling.refusal(judged)
    return await _take(machines, asked, approval, grant)


async def _remember(machines: Machines, approval: Approval, wait: polling.Wait, now: int) -> None:
    step = machines.store.approvals.poll(approval, now, interval=wait.interval, slow_downs=wait.slow_downs)
    try:
        await machines.store.commit(step)
    except Lost as error:  # two polls at once: the second was too fast
        raise polling.refusal(polling.Wait(wait.interval, wait.slow_downs, too_fast=True)) from error


async def _expire(machines: Machines, approval: Approval, now: int) -> None:
    event = machines.event("approval.expired", user=approval.user_id, client=approval.client_id, subject=approval.id)
    try:
        await machines.store.commit(
            machines.store.approvals.expire(approval.id, now), events=(event,), wakes=wakes(approval)
        )
    except Lost:
        return  # expired before, or answered in this moment: the next poll hears of it


async def _take(machines: Machines, asked: TokenRequest, approval: Approval, name: str) -> Answer:
    client, store = asked.client, machines.store
    user = await store.users.get(approval.user_id or "")
    grant = await store.grants.get(approval.grant_id or "")
    if user is None or grant is None or grant.revoked_at is not None:
        raise InvalidGrant("What was approved has been revoked meanwhile.")
    scopes = await remaining(machines, client, approval.audiences, approval.scopes)
    act = Act(
        kind="token", client=client, user=user, grant=grant, audiences=approval.audiences, scopes=scopes,
        details=approval.details, approved_by=(user.id,),
    )  # fmt: skip
    permit = await permitted(machines, act)
    known: dict[str, Any] = {"auth_time": grant.auth_time, "acr": grant.acr, "amr": list(grant.amr) or None}
    claims = {claim: value for claim, value in known.items() if value is not None}
    if approval.details:
        claims["approval"] = {"id": approval.id, "digest": approval.digest}
    access = await machines.mint.access_token(permit, jkt=asked.jkt, claims=claims)
    refresh = None
    if _may_refresh(client, approval):
        bound = None if client.confidential else asked.jkt
        refresh = machines.mint.refresh_token(permit, jkt=bound)
    id_token = None
    if "openid" in approval.scopes:
        # CIBA Core 1.0 section 10.3.1 names the request only in a pushed token; a poll has asked for it by name already.
        id_token = await machines.mint.id_token(
            client,
            user,
            approval.scopes,
            auth_time=grant.auth_time,
            amr=grant.amr,
            acr=grant.acr,
            access_token=access.value,
        )
    answered = Answered(access=access, refresh=refresh, id_token=id_token, members={"approved_at": approval.decided_at})
    event = machines.event(
        "approval.taken", user=user.id, client=client.id, subject=approval.id, address=asked.request.address,
        digest=approval.digest, **described(answered, name),
    )  # fmt: skip
    try:
        return await hand_out(
            machines, answered, event, deciding=(store.approvals.take(approval.id, machines.clock.now()),)
        )
    except Lost as error:
        raise InvalidGrant("This request's tokens were fetched in this moment by another poll.") from error


def _may_refresh(client: Client, approval: Approval) -> bool:
    """An approved transaction is done once: no refresh token outlives it."""
    return "offline_access" in approval.scopes and "refresh_token" in client.grants and not approval.details
