"""What a person's agreement covers."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from remit_server.records import Client, Grant, User
from remit_server.rules.agreement import fault

WEB, ADA = Client(id="web", name="Desk"), User(id="ada")
ORDER = {"type": "trade_order", "amount": 100}
GRANT = Grant(
    id="g", client_id="web", user_id="ada", audiences=("broker",), scopes=("openid", "trade"), details=(ORDER,)
)


def found(grant: Grant | None = GRANT, client: Client = WEB, user: User = ADA, **more: Any) -> str | None:
    asked: dict[str, Any] = {"audiences": ("broker",), "scopes": ("trade",), "details": (ORDER,), "unasked": {}, **more}
    return fault(grant, client, user, **asked)


@pytest.mark.parametrize("less", [{}, {"audiences": ()}, {"scopes": ()}, {"details": ()}])
def test_all_of_it_and_any_part_is_covered(less: dict[str, Any]) -> None:
    assert found(**less) is None


@pytest.mark.parametrize(
    ("why", "more"),
    [
        ("nobody agreed", {"grant": None}),
        ("revoked", {"grant": replace(GRANT, revoked_at=1)}),
        ("another client's", {"client": Client(id="other", name="Other")}),
        ("another person's", {"user": User(id="bob")}),
        ("audience", {"audiences": ("broker", "notes")}),
        ("scope", {"scopes": ("trade", "withdraw")}),
        ("details", {"details": ({**ORDER, "amount": 101},)}),
    ],
)
def test_what_is_beyond_is_named(why: str, more: dict[str, Any]) -> None:
    assert found(**more) == why


def test_the_organisation_answers_for_its_own() -> None:
    reached: dict[str, Any] = {
        "audiences": ("broker", "notes"),
        "scopes": ("trade", "read"),
        "unasked": {"notes": ("read",)},
    }
    assert found(**reached) is None
    assert found(**{**reached, "scopes": ("write",)}) == "scope"
