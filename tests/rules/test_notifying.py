"""Quiet hours and retries, as tables."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from tests.ledger import proves

from remit_server.errors import InvalidRequest
from remit_server.records import Preferences
from remit_server.rules.notifying import after, held_until, judge, next_try
from remit_server.rules.webhook_signature import key_of, signature

ROME, DAY = ZoneInfo("Europe/Rome"), 86400


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("quiet", "now", "until"),
    [
        (("22:00", "07:00"), "2026-11-22T20:59", None),
        (("22:00", "07:00"), "2026-11-22T21:00", "2026-11-23T06:00"),
        (("22:00", "07:00"), "2026-11-23T05:59", "2026-11-23T06:00"),
        (("22:00", "07:00"), "2026-11-23T06:00", None),
        (("12:00", "14:00"), "2026-11-22T11:30", "2026-11-22T13:00"),
        (("12:00", "14:00"), "2026-11-22T13:00", None),
        # The clocks go forward on 29 March 2026 and back on 25 October: 7 is 7 by the person's clock.
        (("22:00", "07:00"), "2026-03-28T22:00", "2026-03-29T05:00"),
        (("22:00", "07:00"), "2026-10-24T22:00", "2026-10-25T06:00"),
    ],
)
@proves("channels.quiet-hours")
def test_quiet_hours(quiet: tuple[str, str], now: str, until: str | None) -> None:
    wish = Preferences(user_id="u", quiet=quiet, time_zone="Europe/Rome")
    assert held_until(wish, ROME, at(now), at(now) + 2 * DAY) == at(until or now)
    if until:
        assert held_until(wish, ROME, at(now), at(until)) == at(now), "it would expire first"


@pytest.mark.parametrize(
    "wishes",
    [
        {"ways": ("email", "email")}, {"quiet": ("22:00", "22:00")}, {"quiet": ("24:00", "07:00")},
        {"quiet": ("7:00", "08:00")}, {"quiet": ("22:00\n", "07:00")},
    ],
)  # fmt: skip
def test_wishes_that_cannot_be_kept(wishes: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        judge(Preferences(user_id="u", **wishes))  # type: ignore[arg-type]


def test_tries() -> None:
    assert [next_try(n, 0, 10**6, last=True) for n in range(1, 8)] == [5, 15, 45, 135, 405, 900, 900]
    assert next_try(10**6, 0, 10**6, last=True) == 900
    assert next_try(1, 0, 5, last=True) is None
    assert [next_try(n, 0, 10**6, last=False) for n in (1, 2, 3)] == [5, 15, None]


def test_the_way_after() -> None:
    assert after("web_push", ("web_push", "email")) == "email"
    assert after("email", ("web_push", "email")) is None
    assert after("", ()) is None


@proves("channels.webhook")
def test_the_signature_is_the_specifications_own() -> None:
    """The example of Standard Webhooks, as its libraries test it."""
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    assert signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


@pytest.mark.parametrize("secret", ["whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%%", ""])
def test_weak_secrets(secret: str) -> None:
    with pytest.raises(ValueError, match="24 to 64"):
        key_of(secret)
