"""What to do with a connected account, and what a provider's answer means: tables."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from remit_server.records import ConnectedAccount, Connection, Narrowed
from remit_server.rules.connection import (
    MOST_NARROWED,
    Issued,
    Later,
    NotNarrowed,
    Reconnect,
    Refresh,
    TooWide,
    Use,
    Withdrawn,
    bound,
    plan,
    read_reply,
    renewed,
    scopes_of,
    too_wide,
)

NOW = 1_000_000
READ, BOTH = ("read",), ("read", "write")
ACCOUNT = ConnectedAccount(
    id="a", user_id="u", connection="c", scopes=BOTH, access_token="whole", access_expires_at=NOW + 3600,
    refresh_token="rt", created_at=NOW, refreshed_at=NOW,
)  # fmt: skip
CONNECTION = Connection(name="c", provider="oauth2")


def account(**changes: Any) -> ConnectedAccount:
    return msgspec.structs.replace(ACCOUNT, **changes)


def part(
    asked: tuple[str, ...], scopes: tuple[str, ...] | None = None, expires_at: int | None = NOW + 3600
) -> Narrowed:
    return Narrowed(asked=asked, scopes=scopes or asked, access_token="part", issued_at=NOW, expires_at=expires_at)


WHOLE = Use(access_token="whole", scopes=BOTH, expires_at=NOW + 3600)
TABLE: list[tuple[str, ConnectedAccount, tuple[str, ...], int, Any]] = [
    ("fresh", account(), BOTH, 0, WHOLE),
    ("in another order", account(), ("write", "read"), 0, WHOLE),
    ("a minute and a second left", account(), BOTH, 3539, WHOLE),
    ("in the last minute", account(), BOTH, 3540, Refresh()),
    ("run out", account(), BOTH, 4000, Refresh()),
    ("never expires", account(access_expires_at=None, refresh_token=None), BOTH, 10**9,
     Use(access_token="whole", scopes=BOTH, expires_at=None)),
    ("short-lived, first three quarters", account(access_expires_at=NOW + 40), BOTH, 29,
     Use(access_token="whole", scopes=BOTH, expires_at=NOW + 40)),
    ("short-lived, last quarter", account(access_expires_at=NOW + 40), BOTH, 30, Refresh()),
    ("no refresh token, last minute", account(refresh_token=None), BOTH, 3599, WHOLE),
    ("no refresh token, run out", account(refresh_token=None), BOTH, 3600,
     Reconnect(cause="The access has run out, and the provider gave nothing to renew it with.")),
    ("broken", account(state="reconnect", cause="gone"), BOTH, 0, Reconnect(cause="gone")),
    ("disconnecting", account(state="disconnected"), BOTH, 0, Reconnect(cause="The account was disconnected.")),
    ("a part, first time", account(), READ, 0, Refresh(scopes=READ)),
    ("a part, held", account(narrowed=(part(READ),)), READ, 0,
     Use(access_token="part", scopes=READ, expires_at=NOW + 3600)),
    ("a part, run out", account(narrowed=(part(READ, expires_at=NOW),)), READ, 0,
     Refresh(scopes=READ)),
    ("a part that the provider made the whole", account(narrowed=(part(READ, BOTH),)), READ, 0, TooWide()),
    ("a part of what cannot be refreshed", account(refresh_token=None), READ, 0, TooWide()),
    ("nothing held", account(access_token=None), BOTH, 0, Refresh()),
]  # fmt: skip


@pytest.mark.parametrize(("held", "wanted", "later", "then"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_plan(held: ConnectedAccount, wanted: tuple[str, ...], later: int, then: Any) -> None:
    assert plan(held, wanted, may=frozenset(wanted), now=NOW + later) == then


def test_a_client_that_may_have_it_all_takes_the_whole_where_no_part_is_given() -> None:
    assert plan(account(refresh_token=None), READ, may=frozenset(BOTH), now=NOW) == WHOLE


@pytest.mark.parametrize(("later", "good"), [(3599, True), (3600, False)])
def test_while_the_provider_is_away_a_token_is_good_to_its_end(later: int, good: bool) -> None:
    planned = plan(account(), BOTH, may=frozenset(BOTH), now=NOW + later, last_minute=True)
    assert isinstance(planned, Use) is good


GOOD = {"access_token": "at", "refresh_token": "rt2", "expires_in": 60, "scope": "read write", "token_type": "Bearer"}
ISSUED = Issued(access_token="at", refresh_token="rt2", scopes=BOTH, issued_at=NOW, expires_at=NOW + 60)


@pytest.mark.parametrize(
    ("status", "members", "outcome"),
    [
        (200, GOOD, ISSUED),
        (200, GOOD | {"expires_in": "60"}, ISSUED),
        (200, GOOD | {"expires_in": 60.9}, ISSUED),
        (200, GOOD | {"scope": "read,write"}, ISSUED),
        (200, {k: v for k, v in GOOD.items() if k != "scope"}, msgspec.structs.replace(ISSUED, scopes=READ)),
        (200, {"access_token": "at"}, Issued(access_token="at", refresh_token=None, scopes=READ, issued_at=NOW, expires_at=None)),
        (400, {"error": "invalid_grant"}, Withdrawn(error="invalid_grant")),
        (401, {"error": "invalid_grant"}, Withdrawn(error="invalid_grant")),
        (200, {"error": "invalid_grant"}, Withdrawn(error="invalid_grant")),
        (400, {"error": "invalid_scope"}, NotNarrowed()),
    ],
)  # fmt: skip
def test_read_reply(status: int, members: dict[str, Any], outcome: Any) -> None:
    assert read_reply(CONNECTION, status, members, asked=READ, now=NOW) == outcome


@pytest.mark.parametrize("expires_in", [-1, 0, True, "soon", "٣", 10**12, [60], None, "1" * 30])
def test_a_lifetime_that_makes_no_sense_is_none(expires_in: Any) -> None:
    reply = read_reply(CONNECTION, 200, GOOD | {"expires_in": expires_in}, asked=READ, now=NOW)
    assert isinstance(reply, Issued)
    assert reply.expires_at is None


@pytest.mark.parametrize(
    ("status", "members"),
    [
        (429, {"error": "invalid_grant"}), (500, {}), (503, GOOD), (400, {"error": "invalid_client"}), (401, {}), (302, {}),
        (200, {}), (200, {"access_token": ""}), (200, {"access_token": 7}), (200, {"access_token": "a\r\nb"}),
        (200, {"access_token": "x" * 20_000}), (200, GOOD | {"error": "x"}), (202, GOOD),
    ],
)  # fmt: skip
def test_nothing_else_breaks_an_account(status: int, members: dict[str, Any]) -> None:
    assert isinstance(read_reply(CONNECTION, status, members, asked=READ, now=NOW), Later)


RETRY = {
    "7": 7, "0": 0, "9999": 3600, "-5": 0, "Mon, 12 Jan 1970 13:46:45 GMT": 5, "Mon, 12 Jan 1970 13:46:00 GMT": 0,
    "Wed, 21 Oct 2026": 0, "soon": 0, "9" * 40: 0, None: 0,
}  # fmt: skip


@pytest.mark.parametrize(("said", "seconds"), RETRY.items())
def test_retry_after_is_heard_within_reason(said: str | None, seconds: int) -> None:
    outcome = read_reply(CONNECTION, 429, {}, asked=READ, now=NOW, retry_after=said)
    assert isinstance(outcome, Later)
    assert outcome.retry_after == seconds


@pytest.mark.parametrize(
    ("separator", "said"), [(" ", "a b"), (",", "a,b"), (" ", "a, b"), (";", "a;b"), (" ", "a b a")]
)
def test_scopes_come_in_many_spellings(separator: str, said: str) -> None:
    assert scopes_of(Connection(name="c", provider="p", scope_separator=separator), said) == ("a", "b")


class TestRenewed:
    def test_the_whole(self) -> None:
        after = renewed(ACCOUNT, ISSUED, ())
        assert (after.access_token, after.refresh_token, after.access_expires_at) == ("at", "rt2", NOW + 60)

    def test_a_provider_that_rotates_nothing_means_the_old_one_to_stay(self) -> None:
        assert renewed(ACCOUNT, msgspec.structs.replace(ISSUED, refresh_token=None), ()).refresh_token == "rt"

    def test_a_part_leaves_the_whole_alone(self) -> None:
        after = renewed(
            account(narrowed=(part(READ), part(("write",)))), msgspec.structs.replace(ISSUED, scopes=READ), READ
        )
        assert (after.access_token, after.scopes, after.refresh_token) == ("whole", BOTH, "rt2")
        assert [(each.asked, each.access_token) for each in after.narrowed] == [(READ, "at"), (("write",), "part")]

    def test_parts_do_not_pile_up(self) -> None:
        held = account()
        for number in range(20):
            held = renewed(held, ISSUED, (str(number),))
        assert len(held.narrowed) == MOST_NARROWED
        assert held.narrowed[0].asked == ("19",)


def test_where_nothing_can_be_narrowed_nothing_is_asked_for() -> None:
    may = frozenset(READ)
    assert plan(account(), READ, may=may, now=NOW, narrows=False) == TooWide()
    assert plan(account(), READ, may=frozenset(BOTH), now=NOW, narrows=False) == WHOLE
    assert plan(account(), READ, may=may, now=NOW + 4000, narrows=False) == Refresh(), "all of it, or nothing"
    assert plan(account(scopes=READ), READ, may=may, now=NOW, narrows=False).scopes == READ  # type: ignore[union-attr]


def test_only_the_operator_widens_and_never_beyond_what_they_listed() -> None:
    connection = msgspec.structs.replace(CONNECTION, scopes=BOTH)
    assert bound(connection, frozenset(READ)) == set(READ)
    wider = bound(msgspec.structs.replace(connection, lend_wider=True), frozenset(READ))
    assert wider == set(BOTH)
    assert plan(account(), READ, may=wider, now=NOW, narrows=False) == WHOLE
    assert plan(account(scopes=(*BOTH, "admin")), READ, may=wider, now=NOW, narrows=False) == TooWide()


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({}, "gives no token for a part of what the user allowed, and that is more than this client may borrow."),
        (
            {"scopes_accumulate": True},
            "puts all that the user ever allowed there into each token, and that is more than this",
        ),
        ({"lend_wider": True}, "more than this connection is for."),
    ],
)
def test_why_there_is_none_in_words(members: dict[str, Any], words: str) -> None:
    assert words in too_wide(msgspec.structs.replace(CONNECTION, **members))
