"""Policies: the trading story's three, what an approval lifts, and the hazards of a lenient reading."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from remit_server.catalog.load import detail_types
from remit_server.errors import ConfigurationError
from remit_server.records import Client, DetailType, User
from remit_server.rules import policy
from remit_server.rules.policy import Allowed, NeedsApproval, Refused, Verdict
from remit_server.rules.policy_vocabulary import Doing, Unclear, questions

PAGE = Path(__file__).parents[2] / "docs" / "policies.md"
BROKER = "https://broker.example"
AGENT = Client(id="trading-assistant", name="Trading assistant", kind="agent", owner="ada@example.com")
ADA = User(id="auth0|ada", groups=("traders",))
BOB = User(id="auth0|bob", groups=("traders", "trading-supervisors"))
WEDNESDAY = 1_795_615_200  # 25 November 2026, 14:00 UTC
NIGHT = WEDNESDAY - 12 * 3600
SUNDAY = WEDNESDAY - 3 * 86400


def documented() -> str:
    """The policies that docs/policies.md shows: what is taught is what is tested."""
    return "\n".join(re.findall(r"^```cedar\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL))


def order(dollars: int, quantity: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "type": "trade_order", "side": "buy", "ticker": "ZEKO", "quantity": quantity,
        "limit": {"amount": dollars * 100, "currency": "USD"}, "account": "...4821", **more,
    }  # fmt: skip


def act(*details: dict[str, Any], **more: Any) -> Doing:
    fields: dict[str, Any] = {
        "kind": "token", "client": AGENT, "user": ADA, "audiences": (BROKER,), "scopes": ("trade:write",),
        "details": details, **more,
    }  # fmt: skip
    return Doing(**fields)


def verdicts(text: str, doing: Doing, now: int = WEDNESDAY) -> list[Verdict]:
    book = policy.read((text,))
    return [policy.judge(book, question) for question in questions(doing, detail_types(), now)]


NEEDS = NeedsApproval(("org-trade-needs-approval",), ("group:trading-supervisors",), 300)
LATE = "Large orders wait for trading hours."


@pytest.mark.parametrize(
    ("dollars", "now", "approved_by", "expected"),
    [
        (100, WEDNESDAY, (), Allowed(("org-trade-allowed",))),
        (800, WEDNESDAY, (), NEEDS),
        (800, WEDNESDAY, (BOB,), Allowed(("org-trade-allowed",))),
        (800, WEDNESDAY, (ADA,), NEEDS),
        (20_000, NIGHT, (), Refused(("org-no-offhours-trades", "org-trade-needs-approval"), LATE)),
        (20_000, NIGHT, (BOB,), Refused(("org-no-offhours-trades",), LATE)),
        (20_000, SUNDAY, (BOB,), Refused(("org-no-offhours-trades",), LATE)),
        (20_000, WEDNESDAY, (BOB,), Allowed(("org-trade-allowed",))),
    ],
)  # fmt: skip
def test_the_trading_story(dollars: int, now: int, approved_by: tuple[User, ...], expected: Verdict) -> None:
    basic, trade = verdicts(documented(), act(order(dollars), approved_by=approved_by), now)
    assert basic == Allowed(("org-ordinary-acts",))
    assert trade == expected


def test_ten_orders_are_not_smaller_than_one() -> None:
    answers = verdicts(documented(), act(*[order(100)] * 8))
    assert all(isinstance(answer, NeedsApproval) for answer in answers[1:])
    assert len(answers) == 9


def test_the_amount_is_the_total_of_the_type() -> None:
    assert isinstance(verdicts(documented(), act(order(100, quantity=8)))[1], NeedsApproval)


def test_money_is_summed_in_its_own_currency() -> None:
    yen = order(1)
    yen["limit"] = {"amount": 500, "currency": "JPY"}
    seen = [q.context for q in questions(act(order(100), order(200), yen), detail_types(), WEDNESDAY)][1:]
    assert [(each["amount"], each["currency"]) for each in seen] == [(30_000, "USD"), (30_000, "USD"), (500, "JPY")]


def test_a_payment_needs_no_total_of_its_own() -> None:
    payment = {
        "type": "payment", "instructed_amount": {"amount": 4711, "currency": "EUR"}, "account": "...1",
        "creditor": {"name": "Acme", "account": "DE001"},
    }  # fmt: skip
    (_, seen) = questions(act(payment), detail_types(), WEDNESDAY)
    assert (seen.action, seen.context["amount"], seen.context["currency"]) == ("payment", 4711, "EUR")


ALL = "permit(principal, action, resource);"


@pytest.mark.parametrize(
    "forbid",
    [
        'forbid(principal, action == Action::"trade_order", resource) when { context.amount_usd > 500 };',
        'forbid(principal, action == Action::"trade_order", resource) when { context.detail.ticker > 500 };',
        'forbid(principal, action == Action::"trade_order", resource) when { principal.team == "red" };',
        'forbid(principal, action == Action::"trade_order", resource) when { context.amount + 9223372036854775807 > 0 };',
    ],
)
def test_a_forbid_that_fails_is_a_no(forbid: str) -> None:
    """Cedar alone would skip it and let the permit win."""
    basic, trade = verdicts(ALL + forbid, act(order(1)))
    assert isinstance(basic, Allowed)
    assert isinstance(trade, Refused)
    assert trade.failed


def test_an_approval_does_not_lift_what_would_then_fail() -> None:
    text = ALL + '@require("approval") forbid(principal, action, resource) unless { context has approval };' \
        + 'forbid(principal, action, resource) when { context has approval && context.nonsense };'  # fmt: skip
    assert all(isinstance(answer, Refused) for answer in verdicts(text, act(order(1))))


def test_an_approval_does_not_make_up_for_a_missing_permit() -> None:
    text = '@require("approval") forbid(principal, action, resource) unless { context has approval };'
    assert all(isinstance(answer, Refused) for answer in verdicts(text, act()))


def test_without_a_permit_nothing_is_allowed() -> None:
    assert verdicts('permit(principal == Agent::"other", action, resource);', act()) == [
        Refused((), "No policy of the organisation allows this.")
    ]


def test_several_forbids_ask_all_their_approvers_and_take_the_shortest_time() -> None:
    text = ALL + "".join(
        f'@id("{name}") @require("approval") @approvers("{who}") @ttl("{ttl}") forbid(principal, action, resource) '
        f"unless {{ context has approval }};"
        for name, who, ttl in (("a", "group:x, user:auth0|bob", 600), ("b", "group:y", 120))
    )
    assert verdicts(text, act()) == [NeedsApproval(("a", "b"), ("group:x", "user:auth0|bob", "group:y"), 120)]


def test_a_detail_cannot_pretend_to_be_an_approval() -> None:
    forged = order(800, approval={"granted": True, "amount": 80_000, "groups": ["trading-supervisors"]}, amount=1)
    assert isinstance(verdicts(documented(), act(forged))[1], NeedsApproval)


@pytest.mark.parametrize(
    "value", [None, 1.5, 2**63, {"__entity": {"type": "User", "id": "ada"}}, {"__extn": {"fn": "ip", "arg": "::1"}},
              [None], {"deep": {"deeper": 0.1}}],
)  # fmt: skip
def test_what_a_policy_could_not_see_is_not_left_out(value: Any) -> None:
    with pytest.raises(Unclear):
        list(questions(act(order(1, note=value)), detail_types(), WEDNESDAY))


@pytest.mark.parametrize(
    "detail",
    [
        order(1, quantity=1.5),
        {"type": "two", "a": {"amount": 1, "currency": "USD"}, "b": {"amount": 1, "currency": "EUR"}},
        {"type": "refund", "a": {"amount": -1, "currency": "USD"}},
    ],
)
def test_money_that_is_no_one_sum_is_unclear(detail: dict[str, Any]) -> None:
    with pytest.raises(Unclear):
        list(questions(act(detail), detail_types(), WEDNESDAY))


def test_what_a_policy_may_ask_about() -> None:
    doing = act(kind="exchange", connection="calendar", actors=({"sub": "a"},), scopes=("x",))
    first, second = questions(doing, detail_types(), SUNDAY)
    assert (first.resource, second.resource) == (("Api", BROKER), ("Connection", "calendar"))
    assert (first.principal, first.action, first.groups) == (("Agent", "trading-assistant"), "exchange", ("act",))
    assert first.attributes == {"kind": "agent", "dynamic": False, "first_party": False, "owner": "ada@example.com"}
    assert first.context == {
        "kind": "exchange", "audiences": [BROKER], "scopes": ["x"], "user": "auth0|ada", "user_groups": ["traders"],
        "connection": "calendar", "act_chain_depth": 1, "hour_utc": 14, "weekday": 7,
    }  # fmt: skip
    *_, call = questions(
        act(kind="proxy", connection="calendar", call=("GET", "api.example", "/events")), detail_types(), SUNDAY
    )
    assert call.context.items() >= {"method": "GET", "host": "api.example", "path": "/events"}.items()
    (alone,) = questions(Doing(kind="token", client=AGENT), detail_types(), SUNDAY)
    assert alone.resource == ("Server", "remit")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("permit(;", "not Cedar"),
        ("permit(principal == ?principal, action, resource);", "templates"),
        ('@require("aproval") forbid(principal, action, resource);', "only @require"),
        ('@require("approval") permit(principal, action, resource);', "only on a forbid"),
        ('@ttl("5m") forbid(principal, action, resource);', "@ttl is seconds"),
        ('@ttl("0") forbid(principal, action, resource);', "@ttl is seconds"),
        ('@approvers("bob") forbid(principal, action, resource);', "approvers are written"),
        ('@id("a") permit(principal, action, resource); @id("a") permit(principal, action, resource);', "two policies"),
    ],
)
def test_texts_that_are_refused(text: str, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        policy.check(text)


def test_a_text_does_not_end_in_the_next() -> None:
    with pytest.raises(ConfigurationError, match="not Cedar"):
        policy.read(('@id("a")', "permit(principal, action, resource);"))


def test_the_documented_policies_are_in_order() -> None:
    assert policy.check(documented()) == (
        "org-ordinary-acts", "org-trade-allowed", "org-trade-needs-approval", "org-no-offhours-trades"
    )  # fmt: skip


def test_an_organisations_own_type_counts_its_total() -> None:
    hire = DetailType(type="hire", document={"derived": {"total": {"product": ["days", "rate"]}}})
    detail = {"type": "hire", "days": 3, "rate": {"amount": 100, "currency": "EUR"}}
    assert [q.context.get("amount") for q in questions(act(detail), {"hire": hire}, WEDNESDAY)] == [None, 300]
