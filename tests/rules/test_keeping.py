"""When an account is renewed ahead of need, and how long a provider is left alone: tables."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from remit_server.records import ConnectedAccount, Connection, Narrowed
from remit_server.records.connection import WELL
from remit_server.rules.keeping import (
    LET_BE,
    LONGEST,
    MAYBE_SPENT,
    PATIENT,
    SAID,
    ahead,
    broken,
    due,
    ends_soon,
    failed,
    pause,
)  # fmt: skip

NOW = 1_000_000
ACCOUNT = ConnectedAccount(
    id="a", user_id="u", connection="c", scopes=("read", "write"), access_token="whole", access_expires_at=NOW + 3600,
    refresh_token="rt", created_at=NOW, refreshed_at=NOW, used_at=NOW + 10,
)  # fmt: skip
PART = Narrowed(
    asked=("read",), scopes=("read",), access_token="part", issued_at=NOW + 5, expires_at=NOW + 3605
)  # fmt: skip


def account(**changes: Any) -> ConnectedAccount:
    return msgspec.structs.replace(ACCOUNT, **changes)


@pytest.mark.parametrize(
    ("failures", "retry_after", "seconds"),
    [
        (1, 0, 2), (2, 0, 4), (5, 0, 32), (9, 0, 512), (10, 0, LONGEST), (10_000, 0, LONGEST), (1, 60, 60), (9, 60, 512),
        (1, 10**6, PATIENT),
    ],
)  # fmt: skip
def test_a_pause_grows_to_a_bound_and_heeds_retry_after(failures: int, retry_after: int, seconds: int) -> None:
    assert pause(failures, retry_after) == seconds


def test_a_failure_keeps_what_the_account_had_and_since_when() -> None:
    once = failed(account(), "broken", NOW, 0)
    twice = failed(once, "busy", NOW + 60, 0)
    assert (twice.failing_since, twice.failure, twice.failures, twice.retry_at) == (NOW, SAID["busy"], 2, NOW + 64)
    assert (twice.access_token, twice.refresh_token, twice.state) == ("whole", "rt", "ok")


@pytest.mark.parametrize("kind", SAID)
def test_what_may_have_spent_the_refresh_token_is_remembered(kind: Any) -> None:
    assert failed(account(unanswered=2), kind, NOW, 0).unanswered == (3 if kind in MAYBE_SPENT else 2)


def test_the_cause_of_a_reconnect_is_the_true_one() -> None:
    assert "withdrawn" in (broken(account()).cause or "")
    assert "never arrived" in (broken(account(unanswered=1)).cause or "")
    assert broken(failed(account(), "busy", NOW, 0)).failing_since is None


def test_what_works_again_is_well() -> None:
    fields = {field: getattr(ACCOUNT, field) for field in WELL}
    assert fields == WELL


class TestDue:
    def test_an_hour_is_renewed_in_its_last_ten_minutes(self) -> None:
        found = {due(account(id=f"account-{number}")) for number in range(200)}
        assert all(at is not None and NOW + 3000 <= at <= NOW + 3300 for at in found)
        assert len(found) > 100, "spread"

    @pytest.mark.parametrize("life", [1, 2, 8, 60, 300])
    def test_a_short_life_is_renewed_in_its_last_half(self, life: int) -> None:
        at = due(account(access_expires_at=NOW + life))
        assert at is not None
        assert NOW + life // 2 <= at <= NOW + life

    @pytest.mark.parametrize(
        "changes",
        [
            {"state": "reconnect"}, {"refresh_token": None}, {"access_expires_at": None},
            {"access_token": None}, {"failing_since": NOW, "failures": LET_BE + 1, "retry_at": NOW},
        ],
    )  # fmt: skip
    def test_not_at_all(self, changes: dict[str, Any]) -> None:
        assert due(account(**changes)) is None

    def test_a_failing_one_when_its_pause_is_over(self) -> None:
        assert due(failed(account(), "busy", NOW, 90)) == NOW + 90

    def test_a_disconnect_goes_on_whatever_there_is(self) -> None:
        assert due(account(state="disconnected", refresh_token=None, failures=99, retry_at=NOW + 7)) == NOW + 7

    def test_one_that_was_over_when_it_came(self) -> None:
        assert due(account(access_expires_at=NOW - 5)) == NOW - 5


class TestAhead:
    def test_what_was_used_since_it_was_issued(self) -> None:
        assert ahead(account()) == ()
        assert ahead(account(used_at=NOW - 1)) is None
        assert ahead(account(used_at=None)) is None

    def test_the_part_that_was_asked_for_last(self) -> None:
        assert ahead(account(narrowed=(PART,))) == ("read",)
        older = msgspec.structs.replace(PART, issued_at=NOW - 5)
        assert ahead(account(narrowed=(older,))) == ()

    def test_what_may_be_spent_whoever_uses_it(self) -> None:
        assert ahead(account(used_at=None, unanswered=1)) == ()

    def test_never_what_only_the_person_can_mend(self) -> None:
        assert ahead(account(state="reconnect")) is None
        assert ahead(account(refresh_token=None)) is None


DAY = 86400


@pytest.mark.parametrize(
    ("lifetime", "days", "changes", "left"),
    [
        (180, 165, {}, None),
        (180, 166, {}, 14),
        (180, 179, {}, 1),
        (180, 179, {"refreshed_at": NOW + 10 * DAY}, 11),
        (180, 179, {"narrowed": (msgspec.structs.replace(PART, issued_at=NOW + 150 * DAY),)}, None),
        (180, 179, {"state": "reconnect"}, None),
        (180, 179, {"refresh_token": None}, None),
        (4, 2, {}, None),
        (4, 3, {}, 1),
        (None, 10_000, {}, None),
    ],
)
def test_the_end_of_a_grant_is_told_when_it_is_near(
    lifetime: int | None, days: int, changes: dict[str, Any], left: int | None
) -> None:
    connection = Connection(name="c", provider="p", refresh_lifetime=lifetime and lifetime * DAY)
    ends = ends_soon(account(**changes), connection, NOW + days * DAY)
    assert ends == (None if left is None else NOW + (days + left) * DAY)
