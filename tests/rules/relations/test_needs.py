"""Which relations an act needs, worked out from what was declared."""

from __future__ import annotations

from typing import Any

import pytest

from remit_server.records.organisation import Need
from remit_server.rules.relations.needs import Unclear, needed

PAY = Need(relation="can_pay_from", object="account:eu-{debtor.accounts.number}", details="payment")


def paying(*numbers: Any) -> dict[str, Any]:
    return {"type": "payment", "debtor": {"accounts": [{"number": number} for number in numbers]}}


def test_every_item_of_a_list() -> None:
    assert list(needed([PAY], details=(paying("1", 2), paying("3")))) == [
        ("can_pay_from", f"account:eu-{number}") for number in (1, 2, 3)
    ]
    assert list(needed([PAY], details=({"type": "other"},), connection="payment", scopes=("payment",))) == []


@pytest.mark.parametrize(
    "detail",
    [
        {"type": "payment"},
        {"type": "payment", "debtor": None},
        {"type": "payment", "debtor": {"accounts": []}},
        {"type": "payment", "debtor": {"accounts": ["1"]}},
        *(paying(number) for number in (None, "", True, 1.5, [], {}, ["1", None])),
        paying("1", None),
    ],
)
def test_what_is_not_told_is_unclear(detail: dict[str, Any]) -> None:
    with pytest.raises(Unclear):
        list(needed([PAY], details=(paying("1"), detail)))


def test_a_value_is_never_a_place() -> None:
    """What a request says is put in once, and not read again."""
    need = Need(relation="can_use", object="account:{debtor.id}", details="payment")
    details = ({"type": "payment", "debtor": {"id": "{debtor.id}"}},)
    assert list(needed([need], details=details)) == [("can_use", "account:{debtor.id}")]


def test_connections_and_scopes() -> None:
    every = Need(relation="can_use", object="connection:{connection}", connection="*")
    one = Need(relation="can_use", object="connection:g", connection="google")
    assert list(needed([every, one], connection="google")) == [
        ("can_use", "connection:google"),
        ("can_use", "connection:g"),
    ]
    assert list(needed([every, one], connection="github")) == [("can_use", "connection:github")]
    assert list(needed([every, one])) == []
    api = Need(relation="can_call", object="tool:any", api="a")
    scope = Need(relation="can_call", object="tool:{scope}", api="a", scope="send")
    assert list(needed([api, scope], audiences=("a", "b"), scopes=("send",))) == [
        ("can_call", "tool:any"),
        ("can_call", "tool:send"),
    ]
    assert list(needed([api, scope], audiences=("b",), scopes=("send",))) == []
    assert list(needed([api, scope], audiences=("a",), scopes=("read",))) == [("can_call", "tool:any")]
