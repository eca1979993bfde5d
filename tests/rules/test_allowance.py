"""Standing allowances: what may be given, and what one covers."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from tests.fixtures.asking import ORDER
from tests.ledger import proves

from remit_server.catalog.load import detail_types
from remit_server.errors import InvalidRequest
from remit_server.records import Allowance, Approval, DetailType
from remit_server.rules.allowance import LONGEST, Covered, NotCovered, check, judge

NOW = 1_800_000_000
BROKER, BANK = "https://broker.example/", "https://bank.example/"
TYPES = detail_types()
ALLOWANCE = Allowance(
    id="al_1", user_id="auth0|ada", client_id="agent", type="trade_order", audiences=(BROKER,),
    scopes=("openid", "trade:write"), limits={"side": "buy", "account": "...4821", "quantity": 20}, currency="USD",
    per_act=50_000, total=100_000, times=3, proven=True, created_at=NOW, expires_at=NOW + 3600,
)  # fmt: skip
ASKED = Approval(
    id="a_1", kind="ciba", client_id="agent", handle="h", user_id="auth0|ada", scopes=("openid", "trade:write"),
    audiences=(BROKER,), details=(ORDER,),
)  # fmt: skip


def covered(allowance: Allowance = ALLOWANCE, asked: Approval = ASKED, **about: Any) -> Covered | NotCovered:
    return judge([allowance], asked, **{"types": TYPES, "tier": "high", "now": NOW, **about})


def test_what_is_within_is_covered_and_counted() -> None:
    assert covered() == Covered(allowance=ALLOWANCE, amount=41_200)
    nearly = replace(ALLOWANCE, spent=58_800, uses=2)
    assert covered(nearly) == Covered(allowance=nearly, amount=41_200)
    assert judge([replace(ALLOWANCE, revoked_at=NOW), ALLOWANCE], ASKED, TYPES, "high", NOW) == covered()


@pytest.mark.parametrize(
    ("allowance", "asked", "why"),
    [
        ({"user_id": "auth0|bob"}, {}, "another person"),
        ({"client_id": "other"}, {}, "another agent"),
        ({}, {"user_id": None}, "another person"),
        ({"revoked_at": NOW - 1}, {}, "over"),
        ({"expires_at": NOW}, {}, "over"),
        ({"type": "payment"}, {}, "another kind"),
        ({"type": "gone"}, {}, "cannot be allowed"),
        ({}, {"details": ()}, "another kind"),
        ({}, {"details": (ORDER, {"type": "payment"})}, "another kind"),
        ({"audiences": (BANK,)}, {}, "another API"),
        ({}, {"audiences": (BROKER, BANK)}, "another API"),
        ({}, {"audiences": ()}, "another API"),
        ({}, {"scopes": ("openid", "trade:write", "trade:cancel")}, "scopes"),
        ({}, {"details": ({**ORDER, "side": "sell"},)}, "side"),
        ({}, {"details": ({**ORDER, "quantity": 21, "limit": {"amount": 1, "currency": "USD"}},)}, "quantity"),
        ({"limits": {"note": "x"}}, {}, "note"),
        ({"currency": "EUR"}, {}, "currency"),
        ({"per_act": 41_199}, {}, "one act"),
        ({}, {"details": (ORDER, ORDER)}, "one act"),
        ({"spent": 58_801}, {}, "used up"),
        ({"uses": 3}, {}, "used up"),
        ({"uses": 2, "per_act": 100_000}, {"details": (ORDER, ORDER)}, "used up"),
    ],
)
@proves("allowance.bounded")
def test_what_is_outside_is_asked_about(allowance: dict[str, Any], asked: dict[str, Any], why: str) -> None:
    judged = covered(replace(ALLOWANCE, **allowance), replace(ASKED, **asked))
    assert isinstance(judged, NotCovered)
    assert why in judged.why


def test_high_risk_is_covered_only_where_the_type_says_so() -> None:
    careful = dict(TYPES["trade_order"].document, allowance={"amount": "total"})
    types = {"trade_order": DetailType(type="trade_order", document=careful)}
    assert covered(types=types) == NotCovered("the request is of high risk")
    assert isinstance(covered(types=types, tier="low"), Covered)
    assert covered(replace(ALLOWANCE, proven=False)) == NotCovered("the request is of high risk"), "given with a press"
    assert isinstance(covered(replace(ALLOWANCE, proven=False), tier="low"), Covered)
    del careful["allowance"]
    assert covered(types=types, tier="low") == NotCovered("this kind cannot be allowed ahead")


def test_without_any_the_person_is_asked() -> None:
    assert judge([], ASKED, TYPES, "low", NOW) == NotCovered("there is no allowance")


@pytest.mark.parametrize(
    "wrong",
    [
        {"expires_at": NOW}, {"expires_at": NOW + LONGEST + 1}, {"times": 0}, {"times": 10_001}, {"audiences": ()},
        {"currency": None}, {"per_act": 0}, {"per_act": 100_001}, {"total": 2**53, "per_act": 1}, {"limits": {"note": 1}},
        {"type": "payment"},
    ],
)  # fmt: skip
@proves("allowance.bounded")
def test_an_allowance_has_an_end_in_every_direction(wrong: dict[str, Any]) -> None:
    check(ALLOWANCE, TYPES["trade_order"], NOW)
    with pytest.raises(InvalidRequest):
        check(replace(ALLOWANCE, **wrong), TYPES["trade_order"], NOW)


def test_what_moves_no_money_is_counted_only() -> None:
    messages = Allowance(
        id="al_2", user_id="auth0|ada", client_id="agent", type="message", audiences=(BROKER,), times=10,
        limits={"recipients": ["bob@example.com", "carol@example.com"]}, created_at=NOW, expires_at=NOW + 60,
    )  # fmt: skip
    check(messages, TYPES["message"], NOW)
    with pytest.raises(InvalidRequest):
        check(replace(messages, total=1, per_act=1, currency="EUR"), TYPES["message"], NOW)
    (example, *_) = TYPES["message"].document["examples"]
    asked = replace(ASKED, scopes=(), details=(example["details"],))
    assert covered(messages, asked, tier="low") == Covered(allowance=messages, amount=0)
    assert covered(messages, asked) == NotCovered("the request is of high risk")
    packed = replace(asked, details=(example["details"],) * 10)
    assert covered(messages, packed, tier="low") == Covered(allowance=messages, amount=0, acts=10)
    assert covered(replace(messages, uses=1), packed, tier="low") == NotCovered("it is used up"), "ten at once are ten"
    elsewhere = replace(asked, details=({**example["details"], "recipients": ["eve@example.net"]},))
    assert covered(messages, elsewhere, tier="low") == NotCovered("recipients is not within it")
