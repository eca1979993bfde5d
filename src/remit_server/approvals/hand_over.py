"""What an approved request is worth: the tokens, made in the moment in which the client gets them."""

from __future__ import annotations

from typing import Any

from remit_server.errors import InvalidGrant
from remit_server.records import Approval, Client, Event, User
from remit_server.runtime.machines import Machines
from remit_server.runtime.mint import half_hash
from remit_server.runtime.ports import Act, Permit
from remit_server.wire.targets import remaining
from remit_server.wire.tokens import Answered, described, permitted

_PUSHED = "urn:openid:params:jwt:claim:"


async def made(
    machines: Machines, client: Client, approval: Approval, *, jkt: str | None, auth_req_id: str | None = None
) -> Answered:
    """Tokens for exactly what was approved, not stored yet. `auth_req_id` is there when they are pushed. Raises `InvalidGrant`,
    `AccessDenied`."""
    store = machines.store
    user = await store.users.get(approval.user_id or "")
    grant = await store.grants.get(approval.grant_id or "")
    if user is None or grant is None or grant.revoked_at is not None:
        raise InvalidGrant("What was approved has been revoked meanwhile.")
    scopes = await remaining(machines, client, approval.audiences, approval.scopes)
    act = Act(
        kind="token", client=client, user=user, grant=grant, audiences=approval.audiences, scopes=scopes,
        details=approval.approved, approved_by=(user.id,),
    )  # fmt: skip
    permit = await permitted(machines, act)
    known: dict[str, Any] = {"auth_time": grant.auth_time, "acr": grant.acr, "amr": list(grant.amr) or None}
    claims = {claim: value for claim, value in known.items() if value is not None}
    members: dict[str, Any] = {"approved_at": approval.decided_at}
    if approval.approved:
        claims["approval"] = {"id": approval.id, "digest": approval.approved_digest}
        edited = approval.approved_digest != approval.digest
        members["approval"] = {**claims["approval"], "edited": edited, "changes": list(approval.changes)}
    access = await machines.mint.access_token(permit, jkt=jkt, claims=claims)
    refresh = None
    if _may_refresh(client, approval):
        refresh = machines.mint.refresh_token(permit, jkt=None if client.confidential else jkt)
    pushed: dict[str, Any] = {}
    if auth_req_id is not None:  # CIBA Core 1.0 section 10.3.1; a poll has named the request itself
        pushed[f"{_PUSHED}auth_req_id"] = auth_req_id
        if refresh is not None:
            pushed[f"{_PUSHED}rt_hash"] = half_hash(refresh.value)
    id_token = None
    if "openid" in approval.scopes:
        id_token = await _id_token(machines, permit, user, access.value, pushed)
    return Answered(access=access, refresh=refresh, id_token=id_token, members=members)


async def _id_token(machines: Machines, permit: Permit, user: User, access: str, claims: dict[str, Any]) -> str:
    act, grant = permit.act, permit.act.grant
    assert grant is not None, "what was approved is an agreement"
    return await machines.mint.id_token(
        act.client, user, act.scopes, auth_time=grant.auth_time, amr=grant.amr, acr=grant.acr, access_token=access,
        claims=claims,
    )  # fmt: skip


def taken(machines: Machines, approval: Approval, answered: Answered, *, address: str | None, grant: str) -> Event:
    """What the trail says of it."""
    return machines.event(
        "approval.taken", user=approval.user_id, client=approval.client_id, subject=approval.id, address=address,
        digest=approval.approved_digest, **described(answered, grant),
    )  # fmt: skip


def _may_refresh(client: Client, approval: Approval) -> bool:
    """An approved transaction is done once: no refresh token outlives it."""
    return "offline_access" in approval.scopes and "refresh_token" in client.grants and not approval.details
