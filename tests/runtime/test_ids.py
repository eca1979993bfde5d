"""Ids sort by time and tell nothing else."""

from __future__ import annotations

import time

import pytest

from remit_server.runtime.ids import id_after, new_id

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def test_an_id_is_a_ulid_of_this_moment() -> None:
    before, made, after = time.time_ns() // 1_000_000, new_id(), time.time_ns() // 1_000_000
    assert len(made) == 26
    assert set(made) <= set(CROCKFORD)
    assert before <= sum(CROCKFORD.index(c) * 32**n for n, c in enumerate(reversed(made[:10]))) <= after


def test_ids_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for milliseconds in (1, 31, 32, 1_800_000_000_000, 1_800_000_000_001, 2**48 - 1):
        monkeypatch.setattr(time, "time_ns", lambda now=milliseconds: now * 1_000_000)
        made.append(new_id())
    assert made == sorted(made)


def test_every_random_digit_takes_every_value() -> None:
    digits = [set(place) for place in zip(*(new_id()[10:] for _ in range(2000)), strict=True)]
    assert all(len(seen) == 32 for seen in digits)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("7ZZZZZZZZZ0000000000000000", "7ZZZZZZZZZ0000000000000001"),
        ("7ZZZZZZZZZ00000000000009ZZ", "7ZZZZZZZZZ0000000000000A00"),
        ("7ZZZZZZZZZ0000000000000HZZ", "7ZZZZZZZZZ0000000000000J00"),
    ],
)
def test_an_id_can_be_made_to_sort_after_one_of_the_future(before: str, after: str) -> None:
    assert id_after(before) == after


def test_an_id_after_one_of_the_past_is_of_this_moment() -> None:
    first = new_id()
    assert id_after("")[:4] == first[:4]
    assert id_after("01JACCESS0000000000000MODL") > first[:4]
