"""What may be said to a request, what may be asked back, and how far what was approved has been carried out."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from tests.fixtures.asking import ORDER

from remit_server.catalog.load import detail_types
from remit_server.errors import Conflict, InvalidRequest
from remit_server.records import Approval, Message
from remit_server.rules import answering, thread, using
from remit_server.rules.polling import TAKE_WITHIN

NOW = 1_800_000_000
TYPES = detail_types()
ASKED = Approval(
    id="a_1", kind="ciba", client_id="agent", handle="h", user_id="auth0|ada", audiences=("https://broker.example",),
    details=(ORDER,), risk="low", created_at=NOW, expires_at=NOW + 300,
)  # fmt: skip
WAITS = thread.asked(ASKED, "Why?", NOW)
WAITS = replace(WAITS, state="info_requested")


def test_one_at_a_time() -> None:
    assert thread.can_ask(ASKED)
    assert thread.question(ASKED) is None
    assert not thread.can_ask(WAITS)
    assert thread.question(WAITS) == Message(by="person", at=NOW, text="Why?")
    with pytest.raises(Conflict):
        thread.asked(WAITS, "Why then?", NOW)
    replied = replace(thread.replied(WAITS, " It fell.\r\nA lot. ", NOW + 1), state="pending")
    assert replied.thread[-1] == Message(by="agent", at=NOW + 1, text="It fell.\nA lot.")
    assert thread.question(replied) is None
    assert thread.can_ask(replied)


@pytest.mark.parametrize("members", [{"kind": "device"}, {"kind": "policy"}, {"mode": "push"}])
def test_who_cannot_reply_is_not_asked(members: dict[str, Any]) -> None:
    asked = replace(ASKED, **members)
    assert not thread.can_ask(asked)
    with pytest.raises(InvalidRequest):
        thread.asked(asked, "Why?", NOW)


def test_a_reply_in_time() -> None:
    assert thread.replied(WAITS, "So.", NOW + 299).thread[-1].by == "agent"
    with pytest.raises(Conflict):
        thread.replied(WAITS, "So.", NOW + 300)
    with pytest.raises(Conflict):
        thread.replied(ASKED, "So.", NOW)


@pytest.mark.parametrize(
    ("members", "remembered"),
    [
        ({}, True),
        ({"risk": "high"}, True),
        ({"details": (ORDER, ORDER)}, True),
        ({"details": ()}, False),
        ({"details": (ORDER, {"type": "anything"})}, False),
        ({"details": ({"type": "anything"},)}, False),
        ({"details": ({"type": "deletion"},), "risk": "high"}, False),
        ({"audiences": ()}, False),
        ({"kind": "policy"}, False),
    ],
)
def test_what_may_be_remembered(members: dict[str, Any], remembered: bool) -> None:
    assert (answering.may_be_remembered(replace(ASKED, **members), TYPES) is not None) is remembered


def test_what_may_be_narrowed() -> None:
    asked = replace(ASKED, details=(ORDER, {"type": "anything"}))
    assert answering.editable(asked, TYPES) == [{"quantity": "down"}, {}]


TWO = (ORDER, ORDER)


@pytest.mark.parametrize(
    ("members", "after", "use"),
    [
        ({"state": "pending"}, 0, None),
        ({"state": "denied"}, 0, None),
        ({"state": "approved"}, 0, None),  # of what is no act, nothing is carried out
        ({"state": "approved", "approved": TWO}, 0, "unused"),
        ({"state": "approved", "approved": TWO}, TAKE_WITHIN - 1, "unused"),
        ({"state": "approved", "approved": TWO}, TAKE_WITHIN, "never_used"),
        ({"state": "taken", "approved": TWO, "use_until": NOW + 60}, 59, "unused"),
        ({"state": "taken", "approved": TWO, "use_until": NOW + 60}, 60, "never_used"),
        ({"state": "taken", "approved": TWO, "use_until": NOW + 60, "spent": 2}, 10, "partly_used"),
        ({"state": "taken", "approved": TWO, "use_until": NOW + 60, "spent": 1}, 99, "partly_used"),
        ({"state": "taken", "approved": TWO, "use_until": NOW + 60, "spent": 3}, 99, "used"),
    ],
)
def test_how_far_it_was_carried_out(members: dict[str, Any], after: int, use: str | None) -> None:
    assert using.use(replace(ASKED, **{"decided_at": NOW, **members}), NOW + after) == use
