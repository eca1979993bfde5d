"""What time has made useless goes; nothing else does."""

from __future__ import annotations

import pytest
from tests.storage.conftest import NOW
from tests.storage.samples import allowance, approval, code, event, pushed, token

from remit_server.records import Approval, ConnectAttempt, Event, Interaction, Session
from remit_server.storage import sweep as sweeping
from remit_server.storage.store import Store
from remit_server.storage.sweep import DAY, KEEP, sweep


def expired(approval: Approval) -> Event:
    return event("approval.expired", subject=approval.id)


async def fill(store: Store, expires_at: int) -> None:
    n = str(expires_at)
    attempt = ConnectAttempt(
        ticket=n, user_id="u", client_id="c", connection="n", redirect_uri="r", auth_session=n, expires_at=expires_at
    )
    await store.commit(
        store.codes.add(code(expires_at=expires_at)),
        store.tokens.add(token(expires_at=expires_at)),
        store.pushed_requests.add(pushed(expires_at=expires_at)),
        store.interactions.add(Interaction(hash=n, kind="sign_in", expires_at=expires_at)),
        store.sessions.add(Session(hash=n, sid=n, user_id="u", auth_time=0, expires_at=expires_at)),
        store.connect_attempts.add(attempt),
        store.allowances.add(allowance(expires_at=expires_at)),
        store.once.burn(n, expires_at),
        *store.once.attempt(n, expires_at - 60, 60),
    )


async def test_it_removes_what_is_past_its_use_and_nothing_else(store: Store) -> None:
    await fill(store, NOW + 1)
    await fill(store, NOW - 30 * DAY)
    counts = await sweep(store, NOW, expired)
    assert counts == {"approvals": 0, **{keep.table.name: 1 for keep in KEEP}}
    assert set((await sweep(store, NOW, expired)).values()) == {0}
    assert await store.sessions.get(str(NOW + 1)) is not None
    assert await store.once.attempts(str(NOW + 1), NOW) == 1
    assert (await store.trail.verify()).count == 0


async def test_spent_artefacts_stay_long_enough_to_betray_a_thief(store: Store) -> None:
    late_code, late_token = code(expires_at=NOW - 3600), token(expires_at=NOW - DAY)
    await store.commit(store.codes.add(late_code), store.tokens.add(late_token))
    await sweep(store, NOW, expired)
    assert await store.codes.get(late_code.hash) is not None
    assert await store.tokens.held(late_token.hash) is not None


async def test_sessions_that_ended_go_after_a_week(store: Store) -> None:
    await store.commit(store.sessions.add(Session(hash="h", sid="s", user_id="u", auth_time=0, expires_at=NOW + DAY)))
    await store.commit(store.sessions.end("s", NOW - 7 * DAY))
    assert (await sweep(store, NOW, expired))["sessions"] == 1


async def test_it_works_in_small_units(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "AT_ONCE", 10)
    await store.commit(*(store.once.burn(f"jti-{i}", NOW) for i in range(35)))
    assert (await sweep(store, NOW, expired))["burned"] == 35


async def test_a_counter_that_began_anew_stays(store: Store) -> None:
    await store.commit(*store.once.attempt("ada", NOW - 100, 60))
    await store.commit(*store.once.attempt("ada", NOW, 60))
    await sweep(store, NOW, expired)
    assert await store.once.attempts("ada", NOW) == 1


async def test_approvals_nobody_answered_are_closed_with_an_event(store: Store) -> None:
    overdue, open_, answered = (
        approval(expires_at=NOW),
        approval(expires_at=NOW + 1),
        approval(expires_at=NOW, state="denied"),
    )
    await store.commit(*(store.approvals.add(one) for one in (overdue, open_, answered)))
    assert (await sweep(store, NOW, expired))["approvals"] == 1
    states = [(await store.approvals.get(one.id)) for one in (overdue, open_, answered)]
    assert [one and one.state for one in states] == ["expired", "pending", "denied"]
    assert [(one.kind, one.subject) for _, one in await store.trail.latest()] == [("approval.expired", overdue.id)]
