"""An approved act is carried out once: the API says which, it is held against what was approved, and that is used up."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from remit_server.errors import AlreadySpent, DetailsChanged, InvalidGrant
from remit_server.records import Approval, Client, DetailType, Token
from remit_server.rules import details as rich
from remit_server.rules import enforcing
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Lost
from remit_server.wire.details import known_types


class Spent(Struct, frozen=True, kw_only=True):
    """One of the approved acts, which is now being carried out, and was not before."""

    approval: Approval
    detail: dict[str, Any]
    at: int


async def spend(
    machines: Machines, api: Client, token: Token, act: dict[str, Any], *, address: str | None = None
) -> Spent:
    """Use up what the token's approval permits of this act. Raises `InvalidGrant` where it carries no approval, `DetailsChanged`
    with the member that differs, `AlreadySpent` with who did it and when, `TooManyRequests` after too many of these."""
    store, now = machines.store, machines.clock.now()
    approval = await store.approvals.by_grant(token.grant_id or "")
    if approval is None or approval.state != "taken" or not approval.approved:
        raise InvalidGrant("The token carries no approval.")
    places = await _places(machines, api.api, approval, act)
    if isinstance(places, str):
        await _refused(machines, api, approval, act, address=address, why=places)
        raise DetailsChanged(f"This is not what was approved: {places} differs.", members={"field": places})
    for place in places:
        event = machines.event(
            "approval.spent", user=approval.user_id, client=approval.client_id, subject=approval.id, address=address,
            digest=approval.approved_digest, place=place, by=api.id, details=[act],
        )  # fmt: skip
        try:
            await store.commit(store.approvals.spend(approval.id, place, api.id, now), events=(event,))
        except Lost:
            continue
        return Spent(approval=approval, detail=approval.approved[place], at=now)
    fresh = await store.approvals.get(approval.id)
    assert fresh is not None, "it is not removed while its tokens live"
    if any(
        not fresh.spent >> place & 1 for place in places
    ):  # free, and refused all the same: the agreement has just ended
        raise InvalidGrant("What the token was given for has been taken back.")
    await _refused(machines, api, approval, act, address=address, why="spent")
    raise AlreadySpent(members={"spent_at": fresh.spent_at, "spent_by": fresh.spent_by})


async def _places(machines: Machines, audience: str | None, approval: Approval, act: dict[str, Any]) -> list[int] | str:
    """Which of the approved acts this is within; the member that differs from the first of its type, when from all."""
    types = await known_types(machines)
    places: list[int] = []
    differs: str | None = None
    for place, detail in enumerate(approval.approved):
        if detail["type"] != act.get("type") or not _here(detail, audience):
            continue
        found = _difference(types.get(detail["type"]), _act(detail), _act(act))
        if found is None:
            places.append(place)
        differs = differs or found
    return places or differs or "type"


def _difference(kind: DetailType | None, approved: dict[str, Any], act: dict[str, Any]) -> str | None:
    """The member in which the act is not within what was approved. Less is a thing of the same type still: minus ten shares are
    no fewer than ten."""
    if found := enforcing.difference(kind, approved, act):
        return found
    if kind is None or rich.canonical(approved) == rich.canonical(act):
        return None
    return rich.misfit(act, kind)


def _here(detail: dict[str, Any], audience: str | None) -> bool:
    where = detail.get("locations")
    return where is None or (isinstance(where, list) and audience in where)


def _act(detail: dict[str, Any]) -> dict[str, Any]:
    """All that says what is done; where it holds is no part of that (RFC 9396 section 2.2)."""
    return {name: value for name, value in detail.items() if name != "locations"}


async def _refused(
    machines: Machines, api: Client, approval: Approval, act: dict[str, Any], *, address: str | None, why: str
) -> None:
    # Each is a line of the person's history, in words that the agent chose.
    machines.throttle.check(f"not spent|{approval.id}", per_minute=30, burst=60)
    event = machines.event(
        "approval.not_spent", user=approval.user_id, client=approval.client_id, subject=approval.id, address=address,
        by=api.id, why=why, details=[act],
    )  # fmt: skip
    await machines.store.commit(events=(event,))
