"""The words that a policy may use: what an act looks like to Cedar (docs/policies.md).

Nothing that a request brings stands where Remit's own words stand: a detail's members are under `context.detail`, so no
client can write an `approval` or an `amount` of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeGuard

from msgspec import Struct

from remit_server.records import Client, DetailType, User
from remit_server.rules.policy import Question, approval
from remit_server.rules.reading import derived

LARGEST: Final = 2**63 - 1


class Unclear(Exception):
    """Something in the act that a policy could not see as it is; the answer must be no."""


class Doing(Struct, frozen=True, kw_only=True):
    """An act with the facts around it."""

    kind: str
    client: Client
    user: User | None = None
    audiences: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    connection: str | None = None
    call: tuple[str, str, str] | None = None
    details: tuple[dict[str, Any], ...] = ()
    actors: tuple[dict[str, Any], ...] = ()
    approved_by: tuple[User, ...] = ()


def questions(doing: Doing, types: Mapping[str, DetailType], now: int) -> Iterator[Question]:
    """All that must be allowed: the act itself, and each of its details, at each API or connection that it reaches.

    Raises `Unclear` for a value that Cedar has no form for, and for money that does not add up to one sum.
    """
    context = _context(doing, now)
    amounts = _money(doing.details, types)
    for resource in _resources(doing):
        yield _question(doing, doing.kind, "act", resource, context)
        for detail, money in zip(doing.details, amounts, strict=True):
            seen = {**context, "detail": _form(detail)}
            if money is not None:
                # The whole act's, so that ten orders are not smaller than one.
                whole = sum(each[0] for each in amounts if each and each[1] == money[1])
                seen |= {"amount": _form(whole), "currency": money[1]}
            yield _question(doing, detail["type"], "detail", resource, seen)


def _question(doing: Doing, action: str, group: str, resource: tuple[str, str], context: Mapping[str, Any]) -> Question:
    client = doing.client
    attributes: dict[str, Any] = {"kind": client.kind, "dynamic": client.dynamic, "first_party": client.first_party}
    if client.owner:
        attributes["owner"] = client.owner
    if doing.approved_by:
        by = [f"user:{user.id}" for user in doing.approved_by]
        groups = (group for user in doing.approved_by for group in user.groups)
        context = {**context, "approval": approval(context, by, groups=groups)}
    return Question(("Agent", client.id), action, (group,), resource, attributes, context)


def _context(doing: Doing, now: int) -> dict[str, Any]:
    at = datetime.fromtimestamp(now, UTC)
    context: dict[str, Any] = {
        "kind": doing.kind,
        "audiences": list(doing.audiences),
        "scopes": list(doing.scopes),
        "user_groups": list(doing.user.groups) if doing.user else [],
        "act_chain_depth": len(doing.actors),
        "hour_utc": at.hour,
        "weekday": at.isoweekday(),
    }
    if doing.user:
        context["user"] = doing.user.id
    if doing.connection:
        context["connection"] = doing.connection
    if doing.call:
        context["method"], context["host"], context["path"] = doing.call
    return context


def _resources(doing: Doing) -> list[tuple[str, str]]:
    reached = [("Api", audience) for audience in doing.audiences]
    if doing.connection:
        reached.append(("Connection", doing.connection))
    return reached or [("Server", "remit")]


def _money(details: Iterable[Mapping[str, Any]], types: Mapping[str, DetailType]) -> list[tuple[int, str] | None]:
    """What each detail moves: the `total` that its type derives, else the sum of the money in it; minor units."""
    return [_moved(dict(detail), types.get(detail["type"])) for detail in details]


def _moved(detail: dict[str, Any], kind: DetailType | None) -> tuple[int, str] | None:
    rules = kind.document.get("derived", {}) if kind else {}
    found = [derived(detail, rules).get("total")] if "total" in rules else list(_sums(detail))
    if not found:
        return None
    sums = [(money["amount"], money["currency"]) for money in found if _is_money(money)]
    if len(sums) < len(found):
        raise Unclear(f"the total of {detail['type']} cannot be computed")
    if len({currency for _, currency in sums}) > 1:
        raise Unclear(f"{detail['type']} moves money in two currencies")
    if any(amount < 0 for amount, _ in sums):
        raise Unclear(f"{detail['type']} has a negative amount")
    return sum(amount for amount, _ in sums), sums[0][1]


def _sums(value: Any) -> Iterator[dict[str, Any]]:
    if _is_money(value):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from _sums(member)
    elif isinstance(value, list):
        for item in value:
            yield from _sums(item)


def _is_money(value: Any) -> TypeGuard[dict[str, Any]]:
    """The catalog's money: an integer of minor units and a currency."""
    return isinstance(value, dict) and type(value.get("amount")) is int and isinstance(value.get("currency"), str)


def _form(value: Any) -> Any:
    """A value of JSON as Cedar's. What it has no form for is not left out: a `has` in a policy would then not see it."""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int) and abs(value) <= LARGEST:
        return value
    if isinstance(value, list):
        return [_form(item) for item in value]
    if isinstance(value, dict) and not any(name.startswith("__") for name in value):  # Cedar's escapes
        return {name: _form(member) for name, member in value.items()}
    raise Unclear("a detail has a value that policies cannot see: null, a fraction, a huge number or a name with __")
