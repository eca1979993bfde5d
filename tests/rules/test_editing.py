"""What a person may change while approving, and that it is never more than what was asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fixtures.asking import ORDER
from tests.ledger import proves

from remit_server.catalog.load import detail_types
from remit_server.errors import InvalidDetails
from remit_server.records import DetailType
from remit_server.rules.detail_types import faults
from remit_server.rules.details import canonical, digest, fits
from remit_server.rules.editing import Edited, judge
from remit_server.rules.enforcing import difference, within

TYPES = detail_types()
EXAMPLES = {name: [example["details"] for example in kind.document["examples"]] for name, kind in TYPES.items()}


def edited(before: dict[str, Any], **changes: Any) -> Edited:
    return judge((before,), ({**before, **changes},), TYPES)


def test_an_edit_has_its_own_digest_and_its_changes_in_words() -> None:
    result = edited(ORDER, quantity=8)
    assert result.details == ({**ORDER, "quantity": 8},)
    assert result.canonical == canonical([{**ORDER, "quantity": 8}])
    assert result.digest == digest(result.details) != digest((ORDER,))
    assert result.changes == ("Shares: 10 × ZEKO → 8 × ZEKO", "At most: 412.00 USD → 329.60 USD")


def test_an_edit_is_read_as_a_request_is() -> None:
    result = edited(ORDER, quantity=8.0)
    assert result == edited(ORDER, quantity=8)
    assert type(result.details[0]["quantity"]) is int


def test_no_change_is_no_edit() -> None:
    assert judge((ORDER,), (dict(reversed(ORDER.items())),), TYPES).changes == ()
    unknown = {"type": "urn:example:other", "a": 1}
    assert judge((unknown,), (unknown,), TYPES).digest == digest((unknown,))


SHARING = {**EXAMPLES["file_sharing"][1], "people": ["bob@example.com", "eve@example.net"], "role": "comment"}
DEPLOY = EXAMPLES["code_deploy"][0]
GOOD: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (EXAMPLES["payment"][0], {"instructed_amount": {"amount": 12349, "currency": "EUR"}}),
    (EXAMPLES["message"][1], {"recipients": ["carol"]}),
    (EXAMPLES["message"][1], {"attachments": []}),
    (SHARING, {"role": "view", "until": "2027-01-01T00:00:00Z", "people": ["eve@example.net"]}),
    (EXAMPLES["deletion"][1], {"permanent": False, "items": ["2024"]}),
    (DEPLOY, {"share": 1, "window": {"from": "2026-11-22T14:00:00Z", "until": "2026-11-22T14:30:00Z"}}),
]


@pytest.mark.parametrize(("before", "changes"), GOOD, ids=lambda value: value.get("type"))
def test_each_direction_to_less(before: dict[str, Any], changes: dict[str, Any]) -> None:
    assert len(edited(before, **changes).changes) >= len(changes)


@pytest.mark.parametrize(
    ("before", "changes"),
    [
        (ORDER, {"quantity": 11}), (ORDER, {"quantity": 0}), (ORDER, {"quantity": "8"}), (ORDER, {"quantity": True}),
        (ORDER, {"limit": {"amount": 1, "currency": "USD"}}), (ORDER, {"side": "sell"}), (ORDER, {"note": "x"}),
        (ORDER, {"type": "payment"}), (ORDER, {"ticker": "ZEKO\n"}),
        (EXAMPLES["payment"][0], {"instructed_amount": {"amount": 1, "currency": "USD"}}),
        (EXAMPLES["payment"][0], {"instructed_amount": {"amount": 12351, "currency": "EUR"}}),
        (EXAMPLES["payment"][1], {"reference": "new"}),
        (EXAMPLES["message"][1], {"recipients": ["carol", "eve"]}), (EXAMPLES["message"][1], {"recipients": []}),
        (EXAMPLES["message"][1], {"text": "Something else"}),
        (SHARING, {"role": "edit"}), (SHARING, {"until": "2027-02-01T00:00:00Z"}), (SHARING, {"until": "never"}),
        (EXAMPLES["deletion"][0], {"permanent": True}),
        (DEPLOY, {"share": 11}), (DEPLOY, {"window": {"from": "2026-11-22T13:59:59Z", "until": "2026-11-22T16:00:00Z"}}),
        (DEPLOY, {"window": {"from": "2026-11-22T15:00:00Z", "until": "2026-11-22T14:30:00Z"}}),
        ({"type": "urn:example:other", "a": 2}, {"a": 1}),
    ],
)  # fmt: skip
@proves("details.edits-narrow")
def test_what_is_refused(before: dict[str, Any], changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidDetails):
        edited(before, **changes)


def test_an_edit_adds_nothing_and_leaves_nothing_out() -> None:
    for after in ((), (ORDER, ORDER), ({k: v for k, v in ORDER.items() if k != "account"},)):
        with pytest.raises(InvalidDetails):
            judge((ORDER,), after, TYPES)


TIMES = st.sampled_from([f"2026-11-22T{hour}:00:00Z" for hour in range(14, 20)])
AMOUNTS = st.builds(lambda a, c: {"amount": a, "currency": c}, st.integers(1, 50), st.sampled_from(["EUR", "USD"]))
LISTS = st.lists(st.sampled_from(["a@example.com", "b@example.com", "anyone"]), min_size=1, unique=True)
VALUES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "trade_order": {"quantity": st.integers(1, 50), "limit": AMOUNTS, "side": st.sampled_from(["buy", "sell"])},
    "payment": {"instructed_amount": AMOUNTS},
    "message": {"recipients": st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, unique=True)},
    "file_sharing": {
        "people": LISTS, "files": st.lists(st.sampled_from("xyz"), min_size=1, unique=True), "until": TIMES,
        "role": st.sampled_from(["view", "comment", "edit"]),
    },
    "deletion": {"items": st.lists(st.sampled_from("xyz"), min_size=1, unique=True), "permanent": st.booleans()},
    "code_deploy": {
        "share": st.integers(1, 100), "environment": st.sampled_from(["staging", "production"]),
        "window": st.tuples(TIMES, TIMES).map(lambda pair: {"from": min(pair), "until": max(pair)}),
    },
}  # fmt: skip


@st.composite
def variants(draw: st.DrawFn, count: int) -> tuple[dict[str, Any], ...]:
    """Requests of one type that differ in the members above."""
    name = draw(st.sampled_from(sorted(VALUES)))
    example = EXAMPLES[name][0]
    return tuple(
        {
            **example,
            **{member: draw(st.one_of(st.just(example[member]), values)) for member, values in VALUES[name].items()},
        }
        for _ in range(count)
    )


@given(variants(3))
@proves("details.edits-narrow")
def test_what_passes_under_an_edit_would_have_passed_under_what_was_asked(three: tuple[dict[str, Any], ...]) -> None:
    asked, after, call = three
    kind = TYPES[asked["type"]]
    try:
        judge((asked,), (after,), TYPES)
    except InvalidDetails:
        return
    fits(after, kind)
    assert difference(kind, asked, after) is None
    if difference(kind, after, call) is None:
        assert difference(kind, asked, call) is None


@given(variants(1))
def test_a_request_is_within_itself(one: tuple[dict[str, Any], ...]) -> None:
    assert difference(TYPES[one[0]["type"]], one[0], json.loads(json.dumps(one[0]))) is None


@given(variants(2))
def test_what_is_within_in_both_directions_is_the_same(two: tuple[dict[str, Any], ...]) -> None:
    one, other = two
    kind = TYPES[one["type"]]
    ordered = [{name: sorted(v) if isinstance(v, list) else v for name, v in each.items()} for each in two]
    both = difference(kind, one, other) is None and difference(kind, other, one) is None
    assert both == (ordered[0] == ordered[1])


@pytest.mark.parametrize(
    ("mode", "approved", "actual"),
    [
        ("equal", 1, True), ("equal", "1", 1), ("equal", [1, 2], [2, 1]), ("at_most", 10, "9"), ("at_most", True, 0),
        ("at_most", 10, True), ("at_most", 10, None), ("at_most", "b", "a"), ("at_most", [2], [1]),
        ("at_most", {"amount": 2}, {"amount": 1}), ("at_least", 10, 9), ("subset", [1], 1), ("subset", ["a"], ["a", "a"]),
        ("subset", [1], [True]), ("within", {"from": "a", "until": "b"}, {"from": "a", "until": "b"}), ("within", 1, 1),
    ],
)  # fmt: skip
def test_what_does_not_compare_is_not_within(mode: Any, approved: Any, actual: Any) -> None:
    assert not within(approved, actual, mode)


def test_at_least_is_the_reverse_of_at_most() -> None:
    assert within(10, 11, "at_least")
    assert within("view", "edit", "at_least", ["view", "edit"])
    assert not within("edit", "own", "at_most", ["view", "edit"])


def test_the_words_of_an_enumeration_may_stand_in_defs() -> None:
    document = json.loads(json.dumps(TYPES["file_sharing"].document))
    document["schema"]["$defs"] = {"role": document["schema"]["properties"]["role"]}
    document["schema"]["properties"]["role"] = {"$ref": "#/$defs/role"}
    kind = DetailType(type="file_sharing", document=document)
    assert list(faults(document)) == []
    assert difference(kind, SHARING, {**SHARING, "role": "view"}) is None
    assert difference(kind, SHARING, {**SHARING, "role": "edit"}) == "role"
