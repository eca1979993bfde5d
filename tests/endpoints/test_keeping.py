"""Keeping an account usable: one refresher, tokens that are durable before anybody sees them, providers on bad days."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import httpx2
import msgspec
import pytest
from tests.fixtures.house import Clock, built
from tests.fixtures.vault import APP, VERIFIER, Vault, meridian
from tests.ledger import proves

from remit_demo.provider.authority import s256
from remit_server.records import ConnectedAccount, Connection
from remit_server.rules.connection import home_of
from remit_server.rules.keeping import SAID, due
from remit_server.storage.contract import Busy
from remit_server.vault import refresh
from remit_server.vault.circuit import PROBE, Circuits
from remit_server.vault.give_back import give_back
from remit_server.vault.refresh import LEASE, Refresher

FAILED = "federated_connection_refresh_token_flow_failed"
LOST_ANSWER = (
    "The provider's answer to an earlier renewal never arrived, and it does not accept the older key any more."
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits eight seconds for a provider that hangs."""
    monkeypatch.setattr(refresh, "ANSWER", (0.4, 0.3))


class TestKeeping:
    async def test_it_is_refreshed_when_it_runs_out(self, any_vault: Vault) -> None:
        vault = any_vault
        await vault.connected()
        first = (await vault.exchange()).json()["access_token"]
        before = await vault.account()
        vault.later(300)
        second = (await vault.exchange()).json()
        assert second["access_token"] != first
        assert second["expires_in"] == 300
        after = await vault.account()
        assert after.refresh_token != before.refresh_token, "what upstream rotated is kept"
        assert len(await vault.house.events("vault.refreshed")) == 1

    @proves("vault.one-refresher")
    async def test_fifty_at_once_cause_one_refresh(self, any_vault: Vault) -> None:
        vault = any_vault
        await vault.connected()
        vault.later(300)
        before = vault.meridian.calls()
        answers = await asyncio.gather(*(vault.exchange() for _ in range(50)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["access_token"] for answer in answers}) == 1
        assert vault.meridian.calls() == before + 1

    @proves("vault.one-refresher")
    async def test_fifty_at_two_servers_cause_one_refresh(self, postgresql_url: str) -> None:
        clock = Clock()
        with meridian(clock) as upstream:
            calendar = upstream.connection()
            async with (
                built(postgresql_url, calendar, clock=clock) as one,
                built(postgresql_url, calendar, clock=clock) as two,
            ):
                here, there = Vault(one, upstream), Vault(two, upstream)
                await here.connected()
                clock.forward(300)
                token, before = await here.refresh_token(), upstream.calls()
                upstream.fail("slow", seconds=0.2)
                asked = [each.exchange(subject_token=token) for _ in range(25) for each in (here, there)]
                answers = await asyncio.gather(*asked)
                assert {answer.status_code for answer in answers} == {200}
                assert len({answer.json()["access_token"] for answer in answers}) == 1
                assert upstream.calls() == before + 1

    async def test_a_token_in_its_last_minute_is_good_enough_while_the_provider_is_away(self, vault: Vault) -> None:
        await vault.connected()
        vault.later(270)
        vault.meridian.fail("refuse", status=503)
        answer = await vault.exchange()
        assert (answer.status_code, answer.json()["expires_in"]) == (200, 30)

    @proves("vault.never-silently-dead")
    async def test_a_withdrawn_grant_asks_the_person_to_reconnect_and_keeps_the_id(self, vault: Vault) -> None:
        await vault.connected()
        before = await vault.account()
        vault.meridian.authority.withdraw()
        vault.later(300)
        for _ in range(2):
            refused = await vault.exchange()
            assert refused.status_code == 401
            assert refused.json()["error"] == "federated_connection_refresh_token_flow_failed"
        account = await vault.account()
        assert (account.state, bool(account.cause)) == ("reconnect", True)
        (event,) = await vault.house.events("vault.refresh_failed")
        assert event.about["cause"] == "invalid_grant"
        await vault.follow(refused.json()["connect_uri"])
        after = await vault.account()
        assert (after.id, after.state, after.cause) == (before.id, "ok", None)
        assert (await vault.exchange()).status_code == 200

    @proves("vault.never-silently-dead")
    async def test_a_refresher_that_died_is_replaced_when_its_lease_is_over(self, vault: Vault) -> None:
        await vault.connected()
        vault.later(300)
        account = await vault.account()
        store = vault.house.store
        await store.commit(store.connected_accounts.lease(account, "dead", vault.house.clock.now(), 30))
        asking = asyncio.create_task(vault.exchange())
        await asyncio.sleep(0.4)
        assert not asking.done()
        vault.later(30)
        assert (await asking).status_code == 200

    @proves("vault.never-silently-dead")
    async def test_a_client_that_hangs_up_does_not_cut_a_rotation_in_half(self, vault: Vault) -> None:
        await vault.connected()
        vault.later(300)
        before = await vault.account()
        token = await vault.refresh_token()
        vault.meridian.fail("slow", seconds=0.3)
        asking = asyncio.create_task(vault.exchange(subject_token=token))
        await asyncio.sleep(0.15)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await asyncio.sleep(0.5)
        after = await vault.account()
        assert after.refresh_token != before.refresh_token
        assert (await vault.exchange(subject_token=token)).status_code == 200

    async def test_the_end_of_the_server_does_not_cut_a_rotation_in_half(self, vault: Vault) -> None:
        await vault.connected()
        vault.later(300)
        before = await vault.account()
        token = await vault.refresh_token()
        vault.meridian.fail("slow", seconds=0.3)
        asking = asyncio.create_task(vault.exchange(subject_token=token))
        await asyncio.sleep(0.15)
        asking.cancel()
        await vault.house.machines.background.close()  # as the app does, before it lets go of the network and the store
        assert (await vault.account()).refresh_token != before.refresh_token

    async def test_nobody_sees_a_token_that_is_not_kept(self, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
        await vault.connected()
        vault.later(300)

        async def full(*_: Any, **__: Any) -> Any:
            raise RuntimeError("the disk is full")

        commit = vault.house.store.commit

        async def no_save(*steps: Any, **more: Any) -> Any:
            if any("body = :body" in getattr(step.statement, "set", "") for step in steps):
                await full()
            return await commit(*steps, **more)

        monkeypatch.setattr(vault.house.store, "commit", no_save)
        answer = await vault.exchange()
        assert answer.status_code == 500
        assert "mda_" not in answer.text


async def run_out(vault: Vault) -> ConnectedAccount:
    """Ada's account, connected, and its token at its end."""
    await vault.connected()
    await vault.refresh_token()
    vault.later(300)
    account: ConnectedAccount = await vault.account()
    return account


def said(answer: httpx2.Response) -> str:
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable"), answer.text
    text: str = answer.json()["error_description"]
    return text


class TestABadDay:
    """Trouble that time mends: said in words, waited out, told once."""

    KINDS: tuple[tuple[str, dict[str, Any], str, int], ...] = (
        ("refuse", {"status": 429, "retry_after": "7"}, "busy", 7),
        ("refuse", {"status": 429, "retry_after": "Sun, 22 Nov 2026 14:05:30 GMT"}, "busy", 30),
        ("refuse", {"status": 503, "retry_after": "20"}, "broken", 20),
        ("refuse", {"status": 500}, "broken", 2),
        ("refuse", {"status": 502}, "broken", 2),
        ("refuse", {"status": 401}, "refused", 2),
        ("redirect", {}, "refused", 2),
    )

    @proves("vault.stops-knocking")
    @pytest.mark.parametrize(("kind", "how", "failure", "seconds"), KINDS)
    async def test_it_is_said_waited_out_and_over(
        self, vault: Vault, kind: str, how: dict[str, Any], failure: Any, seconds: int
    ) -> None:
        before = await run_out(vault)
        now, calls = vault.house.clock.at, vault.meridian.calls()
        vault.meridian.fail(kind, **how)
        for _ in range(3):
            answer = await vault.exchange()
            assert said(answer).startswith(SAID[failure])
            assert answer.headers["retry-after"] == str(seconds)
        assert vault.meridian.calls() == calls + 1, "nobody knocks while the provider wants to be left alone"
        assert vault.meridian.calls("/elsewhere") == 0
        failing = await vault.account()
        assert (failing.state, failing.failing_since, failing.failure) == ("ok", now, SAID[failure])
        assert failing.refresh_token == before.refresh_token
        (seen,) = (await vault.me("GET", "accounts")).json()["accounts"]
        assert (seen["state"], seen["failing_since"][-5:], seen["failure"]) == ("ok", ".000Z", SAID[failure])

        vault.later(seconds - 1)
        assert (await vault.exchange()).headers["retry-after"] == "1"
        vault.later(1)
        assert (await vault.exchange()).status_code == 200
        after = await vault.account()
        assert (after.failing_since, after.failure, after.failures, after.retry_at, after.unanswered) == (
            None,
            None,
            0,
            0,
            0,
        )
        assert [e.kind for e in reversed(await vault.house.events()) if e.kind.startswith("vault.re")] == [
            "vault.refresh_failed", "vault.refreshed", "vault.recovered",
        ]  # fmt: skip

    async def test_a_trouble_is_told_once_however_often_it_is_met(self, vault: Vault) -> None:
        await run_out(vault)
        since = vault.house.clock.at
        vault.meridian.fail("refuse", times=5, status=500)
        waits = []
        for _ in range(5):
            answer = await vault.exchange()
            waits.append(int(answer.headers["retry-after"]))
            vault.later(waits[-1])
        assert waits == [2, 4, 8, 16, 32], "longer each time"
        account = await vault.account()
        assert (account.failing_since, account.failures) == (since, 5)
        (told,) = await vault.house.events("vault.refresh_failed")
        assert told.about["cause"] == "the provider answered 500"

    async def test_a_registration_that_the_provider_does_not_know_is_no_matter_of_the_person(
        self, vault: Vault
    ) -> None:
        before = await run_out(vault)
        vault.meridian.authority.clients.clear()
        assert said(await vault.exchange()).startswith(SAID["stranger"])
        after = await vault.account()
        assert (after.state, after.refresh_token) == ("ok", before.refresh_token)

    async def test_a_provider_that_is_not_there(self, vault: Vault) -> None:
        await run_out(vault)
        with closed_port() as url:
            await point(vault, url)
            assert said(await vault.exchange()).startswith(SAID["unreachable"])
        account = await vault.account()
        assert account.unanswered == 0, "nothing was sent, so nothing was spent"

    async def test_a_connection_that_is_reset(self, vault: Vault) -> None:
        await run_out(vault)
        with resetting() as (url, met):
            await point(vault, url)
            assert said(await vault.exchange()).startswith(SAID["silent"])
            assert len(met) == 2, "asked once more, then left alone"
        assert (await vault.account()).unanswered == 2
        await point(vault, vault.meridian.url)
        vault.later(2)
        assert (await vault.exchange()).status_code == 200

    async def test_a_token_in_its_last_minute_is_good_enough(self, vault: Vault) -> None:
        await vault.connected()
        vault.later(270)
        vault.meridian.fail("refuse", status=503)
        for _ in range(2):
            answer = await vault.exchange()
            assert (answer.status_code, answer.json()["expires_in"]) == (200, 30)


class TestALostAnswer:
    """The provider has done its work and nobody knows what it said. It may have spent the refresh token."""

    LOST = ("drop", "garbage", "html", "huge", "drip")

    @proves("vault.never-silently-dead")
    @pytest.mark.parametrize("kind", LOST)
    async def test_a_strict_provider_makes_it_a_reconnect_with_the_true_cause(self, vault: Vault, kind: str) -> None:
        before = await run_out(vault)
        vault.meridian.fail(kind, seconds=2)
        calls = vault.meridian.calls()
        lost = await vault.exchange()
        assert lost.json()["error"] == FAILED
        assert vault.meridian.calls() == calls + 2, "the old key is tried once more"
        broken = await vault.account()
        assert (broken.state, broken.cause) == ("reconnect", LOST_ANSWER)
        (told,) = await vault.house.events("vault.refresh_failed")
        assert told.about["cause"] == "invalid_grant"
        await vault.follow(lost.json()["connect_uri"])
        after = await vault.account()
        assert (after.id, after.state, after.cause, after.unanswered) == (before.id, "ok", None, 0)
        assert (await vault.exchange()).status_code == 200

    @proves("vault.never-silently-dead")
    @pytest.mark.parametrize("kind", LOST)
    async def test_a_provider_that_forgives_a_repeat_makes_it_nothing_at_all(self, vault: Vault, kind: str) -> None:
        vault.meridian.authority.grace_seconds = 10
        await run_out(vault)
        vault.meridian.fail(kind, seconds=2)
        answer = await vault.exchange()
        assert answer.status_code == 200
        assert vault.meridian.authority.bearer(answer.json()["access_token"], None).id == "mer_ada"
        assert await vault.house.events("vault.refresh_failed") == []

    @proves("vault.never-silently-dead")
    async def test_a_provider_that_does_not_rotate_makes_it_nothing_at_all(self, vault: Vault) -> None:
        vault.meridian.authority.rotates = False
        await run_out(vault)
        vault.meridian.fail("drop")
        assert (await vault.exchange()).status_code == 200

    async def test_a_provider_that_hangs_is_asked_once_more_and_then_left_alone(self, vault: Vault) -> None:
        await run_out(vault)
        vault.meridian.fail("hang", times=2, seconds=1)
        calls = vault.meridian.calls()
        assert said(await vault.exchange()).startswith(SAID["silent"])
        assert vault.meridian.calls() == calls + 2
        assert (await vault.account()).unanswered == 2
        vault.later(2)
        assert (await vault.exchange()).status_code == 200, "it had done nothing"

    async def test_five_hundred_may_have_spent_it_and_is_not_repeated_at_once(self, vault: Vault) -> None:
        """A gateway says 502 for a provider that has done its work."""
        await run_out(vault)
        spent = await vault.account()
        vault.meridian.fail("refuse", status=502)
        await vault.exchange()
        assert (await vault.account()).unanswered == 1
        client = vault.meridian.authority.clients["remit"]
        vault.meridian.authority.rotate(client, spent.refresh_token)
        vault.later(2)
        assert (await vault.exchange()).json()["error"] == FAILED
        assert (await vault.account()).cause == LOST_ANSWER


class TestTheLease:
    """Its edges: who holds it late, who loses it, who finds it."""

    @proves("vault.one-refresher")
    async def test_a_slow_holder_that_lost_its_lease_still_saves_what_it_got(self, any_vault: Vault) -> None:
        """The one that took over found the old refresh token spent. What the slow one got is the truth."""
        vault = any_vault
        account = await run_out(vault)
        slow, quick = Refresher(vault.house.machines), Refresher(vault.house.machines)
        calendar = await connection_of(vault)
        ask, going = refresh.upstream.refresh, asyncio.Event()

        async def late(*given: Any, **how: Any) -> Any:
            outcome = await ask(*given, **how)
            await asyncio.wait_for(going.wait(), 5)
            return outcome

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(refresh.upstream, "refresh", late)
            first = asyncio.create_task(use(slow, calendar, account))
            await asyncio.sleep(0.3)
        vault.later(LEASE)
        with pytest.raises(Exception, match="connected again"):
            await use(quick, calendar, await vault.account())
        assert (await vault.account()).cause == LOST_ANSWER
        going.set()
        await first
        after = await vault.account()
        assert (after.state, after.cause) == ("ok", None)
        assert after.refresh_token != account.refresh_token
        assert len(await vault.house.events("vault.recovered")) == 1

    async def test_a_slow_holder_cannot_break_what_its_successor_mended(self, vault: Vault) -> None:
        """The other way round: bad news that come late are no news."""
        account = await run_out(vault)
        slow, quick = Refresher(vault.house.machines), Refresher(vault.house.machines)
        calendar = await connection_of(vault)
        ask, going = refresh.upstream.refresh, asyncio.Event()

        async def late(*given: Any, **how: Any) -> Any:
            await asyncio.wait_for(going.wait(), 5)
            return await ask(*given, **how)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(refresh.upstream, "refresh", late)
            first = asyncio.create_task(use(slow, calendar, account))
            await asyncio.sleep(0.2)
        vault.later(LEASE)
        lent = await use(quick, calendar, await vault.account())
        going.set()
        assert (await first).access_token == lent.access_token
        assert (await vault.account()).state == "ok"

    async def test_a_slow_holder_does_not_end_the_lease_of_its_successor(self, vault: Vault) -> None:
        await vault.connected()
        await vault.exchange()
        vault.later(290)
        account, store = await vault.account(), vault.house.store
        vault.meridian.fail("refuse", status=500)
        ask, going = refresh.upstream.refresh, asyncio.Event()

        async def late(*given: Any, **how: Any) -> Any:
            outcome = await ask(*given, **how)
            await asyncio.wait_for(going.wait(), 5)
            return outcome

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(refresh.upstream, "refresh", late)
            slow = asyncio.create_task(Refresher(vault.house.machines).ahead())
            await asyncio.sleep(0.3)
        vault.later(LEASE)
        await store.commit(store.connected_accounts.lease(account, "successor", vault.house.clock.at, LEASE))
        going.set()
        await slow
        after = await vault.account()
        assert (after.lease_holder, after.version) == ("successor", account.version)

    async def test_a_clock_that_was_wrong_keeps_nobody_out(self, any_vault: Vault) -> None:
        """A node that believed in tomorrow took the lease and died, or left a pause behind."""
        vault = any_vault
        account = await run_out(vault)
        store, tomorrow = vault.house.store, vault.house.clock.at + 86_400
        paused = msgspec.structs.replace(account, failing_since=tomorrow, failure="-", failures=1, retry_at=tomorrow)
        await store.commit(store.connected_accounts.save(paused))
        await store.commit(store.connected_accounts.lease(await vault.account(), "dead", tomorrow, LEASE))
        assert (await vault.exchange()).status_code == 200

    async def test_a_lease_that_came_too_late_sends_nothing(
        self, vault: Vault, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The database took longer over the lease than it lasts: by now it may be somebody else's."""
        account = await run_out(vault)
        monkeypatch.setattr(refresh, "SLACK", LEASE)
        calls = vault.meridian.calls()
        assert said(await vault.exchange()).startswith(SAID["unreachable"])
        assert vault.meridian.calls() == calls
        after = await vault.account()
        assert (after.refresh_token, after.unanswered, after.lease_until) == (account.refresh_token, 0, 0)

    async def test_who_waits_reads_seldom_and_hears_at_once(self, any_vault: Vault) -> None:
        vault = any_vault
        account = await run_out(vault)
        calendar, store = await connection_of(vault), vault.house.store
        here, there = Refresher(vault.house.machines), Refresher(vault.house.machines)
        vault.meridian.fail("slow", seconds=0.3)
        reads, get = [], store.connected_accounts.get

        async def counted(*given: str) -> Any:
            reads.append(given)
            return await get(*given)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(refresh, "LOOK_AGAIN", 30)
            patch.setattr(store.connected_accounts, "get", counted)
            asked = [use(each, calendar, account) for _ in range(200) for each in (here, there)]
            lent = await asyncio.wait_for(asyncio.gather(*asked), 5)
        assert len({each.access_token for each in lent}) == 1
        assert len(reads) <= 3, "one reader for all who wait in a process"

    async def test_who_waits_waits_no_longer_than_promised(self, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
        account = await run_out(vault)
        store = vault.house.store
        await store.commit(store.connected_accounts.lease(account, "somebody", vault.house.clock.at, LEASE))
        monkeypatch.setattr(refresh, "PATIENCE", 0.3)
        answer = await asyncio.wait_for(vault.exchange(), 3)
        assert said(answer)
        assert int(answer.headers["retry-after"]) >= 1

    async def test_a_new_token_is_offered_until_the_database_takes_it(
        self, vault: Vault, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await run_out(vault)
        store, away = vault.house.store, iter([True] * 3)
        commit = store.commit

        async def sometimes(*steps: Any, **more: Any) -> Any:
            if any("body = :body" in getattr(step.statement, "set", "") for step in steps) and next(away, False):
                raise Busy("away")
            return await commit(*steps, **more)

        monkeypatch.setattr(store, "commit", sometimes)
        assert (await vault.exchange()).status_code == 200

    async def test_written_and_not_told_is_written(self, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
        """`Busy` may come of a unit that was written all the same."""
        await run_out(vault)
        store, commit, once = vault.house.store, vault.house.store.commit, iter([True])

        async def silent(*steps: Any, **more: Any) -> Any:
            done = await commit(*steps, **more)
            if any("body = :body" in getattr(step.statement, "set", "") for step in steps) and next(once, False):
                raise Busy("the connection broke after the commit")
            return done

        monkeypatch.setattr(store, "commit", silent)
        lent = (await vault.exchange()).json()
        assert lent["access_token"] == (await vault.account()).access_token
        assert len(await vault.house.events("vault.refreshed")) == 1

    async def test_a_disconnect_in_the_middle_gives_the_new_token_back(self, vault: Vault) -> None:
        account = await run_out(vault)
        vault.meridian.fail("slow", seconds=0.3)
        asking = asyncio.create_task(vault.exchange())
        await asyncio.sleep(0.15)
        store = vault.house.store
        await store.commit(store.connected_accounts.remove(account.id, account.user_id))
        assert (await asking).json()["error"] == "federated_connection_refresh_token_not_found"
        assert vault.meridian.calls("/revoke") == 1


class TestTheCircuit:
    """A provider that fails hears from one account at a time, not from all of them."""

    def test_it_opens_after_three_lets_one_try_and_closes(self) -> None:
        circuits = Circuits()
        for failures in range(3):
            assert circuits.wait("c", 100) == 0, failures
            circuits.enter("c", 100)
            circuits.failed("c", 100, 0)
        assert circuits.wait("c", 100) == 4
        assert circuits.wait("other", 100) == 0
        assert circuits.wait("c", 104) == 0
        circuits.enter("c", 104)
        assert circuits.wait("c", 104) == PROBE, "one finds out, the others wait"
        circuits.failed("c", 105, 0)
        assert circuits.wait("c", 105) == 8, "longer each time"
        circuits.answered("c")
        assert circuits.wait("c", 105) == 0

    def test_a_retry_after_opens_it_at_once(self) -> None:
        circuits = Circuits()
        circuits.failed("c", 100, 50)
        assert circuits.wait("c", 100) == 50
        circuits.failed("other", 100, 3600)
        assert circuits.wait("other", 100) == 60, "one account's hour is not everybody's"

    @proves("vault.stops-knocking")
    async def test_other_accounts_do_not_knock_either(self, vault: Vault) -> None:
        await run_out(vault)
        others = await more_accounts(vault, 5)
        calendar, refresher = await connection_of(vault), Refresher(vault.house.machines)
        vault.meridian.fail("refuse", times=99, status=500)
        calls = vault.meridian.calls()
        for account in others:
            with pytest.raises(Exception, match="Try again later"):
                await use(refresher, calendar, account)
        assert vault.meridian.calls() == calls + 3


class TestAheadOfNeed:
    @proves("vault.ahead-of-need")
    async def test_what_is_used_is_renewed_before_anybody_must_wait(self, any_vault: Vault) -> None:
        vault = any_vault
        await vault.connected()
        first = (await vault.exchange()).json()["access_token"]
        refresher = Refresher(vault.house.machines)
        assert await refresher.ahead() == 0, "not due yet"
        vault.later(225)
        assert await refresher.ahead() == 1
        account = await vault.account()
        assert account.access_token != first
        calls = vault.meridian.calls()
        assert (await vault.exchange()).json()["access_token"] == account.access_token
        assert vault.meridian.calls() == calls, "nobody waited for it"

    @proves("vault.ahead-of-need")
    async def test_what_nobody_uses_is_left_alone_until_somebody_asks(self, vault: Vault) -> None:
        await vault.connected()
        vault.later(250)
        refresher, calls = Refresher(vault.house.machines), vault.meridian.calls()
        assert await refresher.ahead() == 1
        assert await refresher.ahead() == 0, "and not looked at again"
        assert vault.meridian.calls() == calls
        assert (await vault.exchange()).status_code == 200
        assert vault.meridian.calls() == calls + 1

    @proves("vault.never-silently-dead")
    async def test_what_a_dead_refresher_left_is_asked_for_again_as_soon_as_its_lease_is_over(
        self, vault: Vault
    ) -> None:
        """Soon, because a provider forgives a repeat for a short while only."""
        account = await run_out(vault)
        store = vault.house.store
        await store.commit(store.connected_accounts.lease(account, "dead", vault.house.clock.at, LEASE))
        refresher = Refresher(vault.house.machines)
        vault.later(LEASE - 1)
        assert await refresher.ahead() == 0
        vault.later(1)
        assert await refresher.ahead() == 1
        after = await vault.account()
        assert (after.state, after.unanswered) == ("ok", 0)
        assert after.refresh_token != account.refresh_token

    async def test_a_failing_provider_is_asked_by_the_job_when_its_time_has_come_and_not_for_ever(
        self, vault: Vault
    ) -> None:
        await vault.connected()
        await vault.exchange()
        vault.later(290)
        vault.meridian.fail("refuse", times=99, status=500)
        refresher, calls = Refresher(vault.house.machines), vault.meridian.calls()
        for _ in range(400):
            await refresher.ahead()
            vault.later(15)
        assert vault.meridian.calls() - calls == 9, "after that, only somebody who needs it asks"
        assert (await vault.account()).state == "ok"

    async def test_one_run_renews_many_few_at_a_time(self, vault: Vault) -> None:
        await run_out(vault)
        await more_accounts(vault, 30, used_at=vault.house.clock.at)
        refresher, most, now, ask = Refresher(vault.house.machines), [0], [0], refresh.upstream.refresh

        async def watched(*given: Any, **how: Any) -> Any:
            now[0] += 1
            most[0] = max(most[0], now[0])
            try:
                return await ask(*given, **how)
            finally:
                now[0] -= 1

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(refresh.upstream, "refresh", watched)
            assert await refresher.ahead() == 31
        assert 1 < most[0] <= refresh.TOGETHER

    async def test_accounts_that_were_connected_together_are_not_renewed_together(self, vault: Vault) -> None:
        await vault.connected()
        others = await more_accounts(vault, 50)
        assert len({due(one) for one in others}) > 10


class TestGivingBack:
    @proves("vault.gives-back")
    async def test_what_nobody_completed_is_revoked_there(self, any_vault: Vault) -> None:
        vault = any_vault
        held = await held_attempt(vault)
        assert await give_back(vault.house.machines) == 0, "there is still time"
        vault.later(600)
        assert await give_back(vault.house.machines) == 1
        assert vault.meridian.calls("/revoke") == 1
        with pytest.raises(Exception, match="revoked"):
            vault.meridian.authority.bearer(held.access_token, None)
        assert len(await vault.house.events("vault.given_back")) == 1
        assert await give_back(vault.house.machines) == 0

    @proves("vault.gives-back")
    async def test_not_where_that_would_end_an_account_that_works(self, vault: Vault) -> None:
        await vault.connected()
        await held_attempt(vault)
        vault.later(600)
        assert await give_back(vault.house.machines) == 1
        assert vault.meridian.calls("/revoke") == 0
        assert await vault.house.events("vault.given_back") == []

    async def test_what_the_provider_did_not_hear_is_said_again(self, vault: Vault) -> None:
        await held_attempt(vault)
        vault.later(600)
        vault.meridian.fail("refuse", path="/revoke", status=500)
        for _ in range(2):
            assert await give_back(vault.house.machines) == 1
        assert vault.meridian.calls("/revoke") == 2
        assert len(await vault.house.events("vault.given_back")) == 1


async def held_attempt(vault: Vault) -> ConnectedAccount:
    """Ada went through a connect flow of an app that then never came for the account."""
    begun = (await vault.begin(scopes=["calendar.read"])).json()
    link = begun["connect_uri"] + "?ticket=" + begun["connect_params"]["ticket"]
    browser = await vault.follow(link)
    assert (browser.left_for or "").startswith(APP)
    (attempt,) = await vault.house.store.connect_attempts.abandoned(vault.house.clock.at + 10_000, 0, 9)
    assert attempt.account is not None
    return attempt.account


async def use(refresher: Refresher, connection: Connection, account: ConnectedAccount) -> Any:
    return await refresher.usable(connection, account, account.scopes, may=frozenset(account.scopes))


async def connection_of(vault: Vault) -> Connection:
    found = await vault.house.store.connections.get("calendar")
    assert found is not None
    return found


async def point(vault: Vault, url: str) -> None:
    """Let the connection's token endpoint be at another server, and the account have been connected there."""
    store = vault.house.store
    moved = msgspec.structs.replace(await connection_of(vault), token_endpoint=f"{url}/token")
    account = msgspec.structs.replace(await vault.account(), home=home_of(moved))
    await store.commit(store.connections.put(moved), store.connected_accounts.save(account))


async def more_accounts(vault: Vault, count: int, **changes: Any) -> list[ConnectedAccount]:
    """Accounts like Ada's, each with a grant of its own at Meridian."""
    like, store, authority = await vault.account(), vault.house.store, vault.meridian.authority
    made = []
    for number in range(count):
        code = authority.grant(
            authority.clients["remit"], authority.accounts["ada@meridian.example"], like.scopes, "r", s256(VERIFIER)
        )
        tokens = authority.redeem(authority.clients["remit"], code, "r", VERIFIER)
        made.append(
            msgspec.structs.replace(
                like, id=f"account-{number}", user_id=f"person-{number}", upstream_id=f"mer_{number}", version=0,
                access_token=tokens.access_token, refresh_token=tokens.refresh_token, **changes,
            )
        )  # fmt: skip
    await store.commit(*(store.connected_accounts.add(one) for one in made))
    return made


@contextmanager
def closed_port() -> Iterator[str]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@contextmanager
def resetting() -> Iterator[tuple[str, list[bytes]]]:
    """A server that reads a request and resets the connection; and the requests that it met."""
    met: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                met.append(peer.recv(65536))
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                peer.close()

        Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", met
        listener.shutdown(socket.SHUT_RDWR)
