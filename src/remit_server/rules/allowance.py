"""Standing allowances: which one a person may give, and whether one covers a request that has come in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from remit_server.errors import InvalidRequest
from remit_server.records import Allowance, Approval, DetailType
from remit_server.rules.details import EXACT
from remit_server.rules.enforcing import modes_of, within, words_of
from remit_server.rules.reading import at, values_of
from remit_server.rules.risk import Tier

LONGEST: Final = 90 * 86400
"""Seconds for which one holds at most: then the person is asked whether it is still wanted."""
MOST_USES: Final = 10_000


class Covered(Struct, frozen=True, kw_only=True):
    """The request is allowed already, once `amount` and as many uses as it holds `acts` have been spent."""

    allowance: Allowance
    amount: int
    """Minor units; 0 where the kind moves no money."""
    acts: int = 1


class NotCovered(Struct, frozen=True):
    """The person is asked."""

    why: str
    """Of the last allowance that was looked at, for the trail."""


def check(allowance: Allowance, kind: DetailType, now: int) -> None:
    """Raises `InvalidRequest` for an allowance that has no end, or that its type does not have."""
    document = kind.document
    if kind.type != allowance.type or "allowance" not in document:
        raise InvalidRequest(f"Requests of type {allowance.type!r} cannot be allowed ahead.")
    if not now < allowance.expires_at <= now + LONGEST:
        raise InvalidRequest(f"An allowance ends within {LONGEST // 86400} days.")
    if not 1 <= allowance.times <= MOST_USES or not allowance.audiences:
        raise InvalidRequest(f"An allowance is for named APIs, and 1 to {MOST_USES} uses.")
    if "amount" in document["allowance"]:
        if not allowance.currency or not 1 <= allowance.per_act <= allowance.total <= EXACT:
            raise InvalidRequest("An allowance names a currency, and no more for one act than in total.")
    elif allowance.currency is not None or allowance.per_act or allowance.total:
        raise InvalidRequest(f"Requests of type {allowance.type!r} move no money.")
    if unknown := sorted(allowance.limits.keys() - modes_of(kind).keys()):
        raise InvalidRequest(f"Requests of type {allowance.type!r} have no {unknown[0]}.")


def judge(
    allowances: Iterable[Allowance], asked: Approval, types: Mapping[str, DetailType], tier: Tier, now: int
) -> Covered | NotCovered:
    """Whether one of these covers all that is asked; several never do so together.

    The answer is as good as the record that was read: `store.allowances.spend` decides.
    """
    why = "there is no allowance"
    for allowance in allowances:
        amount = _amount(allowance, asked, types.get(allowance.type), tier, now)
        if isinstance(amount, int):
            return Covered(allowance=allowance, amount=amount, acts=len(asked.details))
        why = amount
    return NotCovered(why)


def _amount(  # noqa: PLR0911 - one return a reason
    allowance: Allowance, asked: Approval, kind: DetailType | None, tier: Tier, now: int
) -> int | str:
    """What the request takes from the allowance, or why it is not covered."""
    if (allowance.user_id, allowance.client_id) != (asked.user_id, asked.client_id):
        return "it is another person's, or for another agent"
    if allowance.revoked_at is not None or now >= allowance.expires_at:
        return "it is over"
    if kind is None or "allowance" not in kind.document:
        return "this kind cannot be allowed ahead"
    if not asked.details or any(detail["type"] != allowance.type for detail in asked.details):
        return "it is for another kind"
    if tier == "high" and not (allowance.proven and kind.document["allowance"].get("high", False)):
        return "the request is of high risk"
    if not asked.audiences or not set(asked.audiences) <= set(allowance.audiences):
        return "it is for another API"
    if not set(asked.scopes) <= set(allowance.scopes):
        return "more scopes are asked for"
    for detail in asked.details:
        if outside := _outside(allowance.limits, detail, kind):
            return f"{outside} is not within it"
    return _left(allowance, asked, kind)


def _outside(limits: Mapping[str, Any], detail: Mapping[str, Any], kind: DetailType) -> str | None:
    modes = modes_of(kind)
    for name, limit in limits.items():
        if name not in detail or not within(limit, detail[name], modes.get(name, "equal"), words_of(kind, name)):
            return name
    return None


def _left(allowance: Allowance, asked: Approval, kind: DetailType) -> int | str:
    amount, path = 0, kind.document["allowance"].get("amount")
    if path is not None:
        sums = [at(values_of(detail, kind), path) for detail in asked.details]
        if any(money["currency"] != allowance.currency for money in sums):
            return "it is in another currency"
        amount = sum(money["amount"] for money in sums)
        if amount > allowance.per_act:
            return "it is less for one act"
    if allowance.spent + amount > allowance.total or allowance.uses + len(asked.details) > allowance.times:
        return "it is used up"
    return amount
