"""Rich authorization requests: what is refused before anybody is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.fixtures.asking import ORDER
from tests.ledger import proves

from remit_server.catalog.load import detail_types
from remit_server.errors import InvalidDetails
from remit_server.rules.details import MOST, covers, digest, judge
from remit_server.rules.reading import read

ALLOWED = {"trade_order", "payment"}
TEXT = json.dumps([ORDER])


def judged(text: str, allowed: Any = ALLOWED) -> Any:
    return judge(text, detail_types(), allowed)


def test_a_good_one() -> None:
    assert judged(TEXT) == (ORDER,)


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "[]", "null", "[1]", "[[]]", "{", "[{}]", '[{"type": 1}]', '[{"type": "unknown"}]', "[NaN]", "[Infinity]",
        TEXT.replace('"quantity": 10', '"quantity": NaN'),
        TEXT.replace('"quantity": 10', '"quantity": 10, "quantity": 1000'),
        TEXT.replace('"quantity": 10', '"quantity": 1e400'),
        TEXT.replace('"ZEKO"', '"ZEKO\\n"'),
        TEXT.replace('"quantity": 10', '"quantity": 10, "note": "x"'),
        json.dumps([ORDER] * (MOST + 1)),
        "[" * 100_000,
        " " * 40_000,
    ],
)  # fmt: skip
def test_what_is_refused(text: str) -> None:
    with pytest.raises(InvalidDetails):
        judged(text)


@pytest.mark.parametrize("hidden", ["\u202e", "\u200b", "\u2066", "\ufeff", "\u2028", "\u0007", "\ue000", "\u3164"])
def test_nothing_that_nobody_would_see(hidden: str) -> None:
    payment = {
        "type": "payment", "instructed_amount": {"amount": 1, "currency": "EUR"}, "account": "...4821",
        "creditor": {"name": f"Bob{hidden}", "account": "0012345678"},
    }  # fmt: skip
    with pytest.raises(InvalidDetails, match="nobody would see"):
        judged(json.dumps([payment]))


def test_a_type_that_the_api_does_not_take() -> None:
    with pytest.raises(InvalidDetails):
        judged(TEXT, {"payment"})


def test_a_refusal_names_the_member_and_never_the_value() -> None:
    with pytest.raises(InvalidDetails) as refused:
        judged(json.dumps([{**ORDER, "ticker": "a secret value"}]))
    assert "ticker" in refused.value.text
    assert "secret" not in str(refused.value)


def test_the_digest_follows_the_meaning() -> None:
    turned = dict(reversed(ORDER.items()))
    assert digest((turned,)) == digest((ORDER,))
    assert digest(({**ORDER, "quantity": 1000},)) != digest((ORDER,))
    assert digest((ORDER, ORDER)) != digest((ORDER,))


def test_granted_covers_the_same_and_nothing_else() -> None:
    assert covers((ORDER,), (dict(reversed(ORDER.items())),))
    assert covers((ORDER,), ())
    assert not covers((ORDER,), ({**ORDER, "quantity": 11},))
    assert not covers((), (ORDER,))


OTHER = '[{"type": "urn:example:other", "what": "x", "of": {"a": [1, true, null, {"b": "10"}]}}]'


@proves("details.undescribed")
def test_a_type_without_a_document_is_taken_where_the_api_names_it() -> None:
    (detail,) = judge(OTHER, detail_types(), ALLOWED, ["urn:example:other"])
    reading = read(detail, None)
    assert not reading.known
    assert reading.sentence == "do something of a kind that is not known here (urn:example:other)"
    assert [(line.label, line.value) for line in reading.lines] == [
        ("of.a 1", "1"), ("of.a 2", "true"), ("of.a 3", "null"), ("of.a 4.b", '"10"'), ("what", '"x"'),
    ]  # fmt: skip
    for elsewhere in ((), ["urn:example:another"]):
        with pytest.raises(InvalidDetails):
            judge(OTHER, detail_types(), ALLOWED, elsewhere)


@proves("details.undescribed")
def test_a_described_type_is_never_taken_without_its_document() -> None:
    with pytest.raises(InvalidDetails):
        judge('[{"type": "payment", "all": true}]', detail_types(), ["trade_order"], ["payment"])


@pytest.mark.parametrize(
    "member",
    [
        '"a b": 1', '"Goes to": 1', '"": 1', '"\\u202e": 1', '"a": "\\u202e"', '"a": "x\\ny"', f'"a": "{"x" * 501}"',
        f'"a": [{",".join(["1"] * 50)}]', '"a": [[[[1]]]]', '"a": 1e400', '"a": 9007199254740992', '"a": 1, "a": 2',
    ],
)  # fmt: skip
@proves("details.undescribed")
def test_what_does_not_fit_the_plain_card_is_refused(member: str) -> None:
    judge('[{"type": "other", "a": 1}]', {}, (), ["other"])
    with pytest.raises(InvalidDetails):
        judge(f'[{{"type": "other", {member}}}]', {}, (), ["other"])


def test_lines_are_where_the_type_has_them() -> None:
    (example, *_) = detail_types()["message"].document["examples"]
    lines = read(example["details"], detail_types()["message"]).lines
    assert [line.label for line in lines if line.block] == ["Text"]


def test_no_item_looks_like_no_items() -> None:
    (_, example) = detail_types()["message"].document["examples"]
    kind = detail_types()["message"]
    shown = [
        read({**example["details"], "attachments": held}, kind).lines[-1].value for held in ([], ["none"], ["(none)"])
    ]
    assert shown == ["(none)", "none", "“(none)”"]
