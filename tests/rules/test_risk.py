"""The tier of a request, and what about it is not as usual."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fixtures.asking import ORDER
from tests.ledger import proves

from remit_server.catalog.load import detail_types
from remit_server.rules.risk import UNKNOWN, Known, Risk, judge

TYPES = detail_types()
PAYMENT: dict[str, Any] = {
    "type": "payment", "instructed_amount": {"amount": 1_000, "currency": "EUR"}, "account": "...4821",
    "creditor": {"name": "Bob", "account": "0012345678"},
}  # fmt: skip
MESSAGE: dict[str, Any] = dict(TYPES["message"].document["examples"][0]["details"])
SHARING: dict[str, Any] = dict(TYPES["file_sharing"].document["examples"][0]["details"])
DELETION: dict[str, Any] = dict(TYPES["deletion"].document["examples"][0]["details"])
DEPLOY: dict[str, Any] = dict(TYPES["code_deploy"].document["examples"][0]["details"])
HERE = frozenset({"example.com"})


def euros(amount: int, currency: str = "EUR") -> dict[str, Any]:
    return {**PAYMENT, "instructed_amount": {"amount": amount, "currency": currency}}


def risk(*details: dict[str, Any], earlier: tuple[dict[str, Any], ...] = (), domains: frozenset[str] = HERE) -> Risk:
    return judge(details, TYPES, Known(earlier=earlier, domains=domains))


@pytest.mark.parametrize(
    ("details", "earlier", "why"),
    [
        ([ORDER], [], ()),
        ([euros(3_001)], [PAYMENT], ("more than a small amount",)),
        ([euros(1_501), euros(1_500)], [PAYMENT], ("more than a small amount",)),
        ([euros(1, "XYZ")], [PAYMENT], ("more than a small amount",)),
        ([PAYMENT], [], ("first payment to this account",)),
        ([{**MESSAGE, "recipients": ["bob@example.com", "eve@example.net"]}], [], ("goes outside the organisation",)),
        ([{**MESSAGE, "recipients": ["bob"]}], [], ("goes outside the organisation",)),
        ([{**MESSAGE, "recipients": ["@example.com"]}], [], ("goes outside the organisation",)),
        ([{**MESSAGE, "recipients": ["bob@sub.example.com"]}], [], ("goes outside the organisation",)),
        ([{**MESSAGE, "recipients": [f"u{n}@example.com" for n in range(21)]}], [], ("goes to more than 20",)),
        ([{**SHARING, "people": ["anyone"]}], [], ("shared outside the organisation",)),
        ([{**SHARING, "role": "edit"}], [], ("others may change the files",)),
        ([{**DELETION, "permanent": True}], [], ("there is no way back",)),
        ([DEPLOY], [], ("others depend on this environment",)),
        ([{"type": "urn:example:other"}], [], (UNKNOWN,)),
        ([MESSAGE, {"type": "urn:example:other"}], [], (UNKNOWN,)),
    ],
)
@proves("details.risk")
def test_what_is_high(details: list[Any], earlier: list[Any], why: tuple[str, ...]) -> None:
    judged = risk(*details, earlier=tuple(earlier))
    assert (judged.tier, judged.why) == ("high", why)


@pytest.mark.parametrize(
    "details",
    [
        [euros(3_000)], [MESSAGE], [{**MESSAGE, "recipients": ["Bob@EXAMPLE.com"]}], [SHARING], [DELETION],
        [{**DEPLOY, "environment": "staging"}], [],
    ],
)  # fmt: skip
def test_what_is_low(details: list[Any]) -> None:
    assert risk(*details, earlier=(PAYMENT,)).tier == "low"


def test_who_is_outside_when_nobody_said_who_is_inside() -> None:
    assert risk(MESSAGE, domains=frozenset()).tier == "high"


def test_what_is_not_as_usual() -> None:
    assert risk(ORDER).unusual == ("first order for ZEKO",)
    larger = {**ORDER, "quantity": 30}
    assert risk(larger, earlier=(ORDER, ORDER)).unusual == ("3× your usual order size",)
    assert risk(ORDER, ORDER, ORDER, earlier=(ORDER,)).unusual == ("3× your usual order size",), (
        "ten are not less than one"
    )
    assert risk({**ORDER, "quantity": 29}, earlier=(ORDER,)).unusual == ()
    other = {**larger, "limit": {"amount": 4120, "currency": "EUR"}}
    assert risk(other, earlier=(ORDER,)).unusual == (), "amounts of two currencies do not compare"
    assert risk(larger, earlier=({**ORDER, "quantity": 1}, ORDER, {**ORDER, "quantity": 900})).unusual != ()
    two = {**MESSAGE, "recipients": ["bob@example.com", "carol@example.com"]}
    assert risk(two, earlier=(MESSAGE,)).unusual == ("first message to “carol@example.com”",)
    assert risk(PAYMENT).unusual == (), "what makes it high is said once"
    assert risk(DELETION).unusual == ("first deletion in “Mail of ada@example.com”",)


REQUESTS = st.lists(
    st.sampled_from([ORDER, PAYMENT, euros(9_999), MESSAGE, SHARING, DELETION, DEPLOY, {"type": "other"}]), max_size=4
)


@given(REQUESTS, st.lists(st.sampled_from([PAYMENT, MESSAGE, ORDER]), max_size=3))
@proves("details.risk")
def test_knowing_less_never_makes_it_lower(details: list[dict[str, Any]], earlier: list[dict[str, Any]]) -> None:
    if risk(*details, earlier=tuple(earlier)).tier == "high":
        assert judge(tuple(details), TYPES, Known()).tier == "high"
