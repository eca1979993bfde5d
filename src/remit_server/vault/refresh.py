"""One refresher per connected account, in this process and in all others; what it gets is durable before anybody sees it.

In a process the callers of one account share one task, which goes on when they leave: neither a client that hangs
up nor the end of the server may cut a rotation in half. Between processes a lease on the row chooses one, and the
others hear when it has written. The lease is also the note, durable before anything is sent, that this refresh token may
be spent: whoever dies with it leaves an account of which that is known. The next one presents the same refresh token once
more; either the provider forgives that (many allow a short grace) or it says invalid_grant and the person is asked to
reconnect. An account is never silently dead. (docs/adr/0011)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
import structlog

from remit_server.errors import (
    AccessDenied,
    IntegrityError,
    NotConnected,
    RemitError,
    TemporarilyUnavailable,
    TooManyRequests,
    UpstreamRefused,
)
from remit_server.records import ConnectedAccount, Connection, Event
from remit_server.rules import connection as rules
from remit_server.rules import keeping
from remit_server.rules.connection import Issued, Later, NotNarrowed, Reconnect, Refresh, TooWide, Use, Wait, Withdrawn
from remit_server.runtime.ids import new_id
from remit_server.runtime.machines import Machines
from remit_server.storage.contract import Busy, Lost, Step
from remit_server.vault import upstream
from remit_server.vault.circuit import Circuits

log = structlog.get_logger("remit")

ANSWER: Final = (8.0, 5.0)
"""Seconds that the provider has: for the first request, and for the one more that follows when its answer is lost."""
LEASE: Final = 30
"""Seconds. What is sent is answered or given up long before: the rest is for slow writes and for clocks that differ."""
SLACK: Final = 10
"""Seconds before the lease's end in which nothing is waited for any more."""
PATIENCE: Final = 15
"""Seconds that a request waits for a refresh, whoever does it."""
LOOK_AGAIN: Final = 0.5
"""Seconds after which who waits for another process reads the row although nothing was heard."""
HOLD_ON: Final = 120
"""Seconds for which a new token is offered to a database that is away: there may be no other copy of it."""
AT_ONCE, TOGETHER = 100, 8
"""Accounts that are renewed ahead of need in one run, and of these at the same time."""
UNREADABLE: Final = 3600
"""Seconds until a row that does not open is looked at again."""

Result = ConnectedAccount | NotNarrowed | None
"""The account as it is now (None: there is none any more), or that the provider gives no part."""


class Refresher:
    """Gets usable tokens of connected accounts. One for the whole server."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        self._accounts = machines.store.connected_accounts
        self._circuits = Circuits()
        self._running: dict[str, tuple[tuple[str, ...], asyncio.Task[Result]]] = {}
        self._waiting: dict[str, asyncio.Event] = {}
        machines.store.engine.listen(self._heard)

    async def usable(
        self, connection: Connection, account: ConnectedAccount, wanted: tuple[str, ...], *, may: frozenset[str]
    ) -> Use:
        """A token with these scopes. Raises `UpstreamRefused` when only the person can help, `AccessDenied` when the
        provider cannot give less than the client may not have, `TemporarilyUnavailable` when trying again may do."""
        until = time.monotonic() + PATIENCE
        may, narrows = rules.bound(connection, may), not connection.scopes_accumulate
        while True:
            now = self._machines.clock.now()
            match rules.plan(account, wanted, may=may, now=now, narrows=narrows):
                case Use() as use:
                    return use
                case Reconnect(cause=cause):
                    raise UpstreamRefused(f"The account must be connected again. {cause}")
                case TooWide():
                    raise AccessDenied(rules.too_wide(connection))
                case Wait() as wait:
                    found: Result | Wait = wait
                case Refresh(scopes=asked):
                    found = await self._shared(connection, account, asked, until)
            match found:
                case ConnectedAccount():
                    account = found
                case NotNarrowed() if narrows and connection.lend_wider:
                    narrows = False
                case NotNarrowed():
                    raise AccessDenied("The provider gives no token for a part of what the person granted.")
                case None:
                    raise NotConnected
                case Wait(why=why, seconds=seconds):
                    spare = rules.plan(account, wanted, may=may, now=now, last_minute=True, narrows=narrows)
                    if isinstance(spare, Use):
                        return spare
                    raise TemporarilyUnavailable(f"{why} Try again later.", headers={"Retry-After": str(seconds)})

    async def refused(self, connection: Connection, account: ConnectedAccount) -> None:
        """An API refused the account's credential, and there is no refresh token with which to find out why. Where the provider
        once told whose account it is, it is asked again, at most once a minute: an agent chooses what it calls, and must not
        be able to break the account. Raises `UpstreamRefused` when the credential is refused there, too."""
        secret = account.credentials or account.access_token
        if not secret:
            return
        try:
            self._machines.throttle.check(f"refused|{account.id}", per_minute=1, burst=1)
        except TooManyRequests:
            return
        if await upstream.disowned(self._machines, connection, secret):
            after = keeping.broken(account)
            event = self._event("vault.refresh_failed", account, cause="the provider refuses what there is")
            if await self._written(self._accounts.save(after), [event]):
                raise UpstreamRefused(f"The account must be connected again. {after.cause}")

    async def ahead(self) -> int:
        """Renew what is used and will soon run out, and what a refresher that died left behind; how many were due."""
        due = await self._accounts.due(self._machines.clock.now(), AT_ONCE)
        slots = asyncio.Semaphore(TOGETHER)

        async def one(account_id: str, user_id: str) -> None:
            async with slots:
                try:
                    await self._ahead(account_id, user_id)
                except IntegrityError as error:
                    log.warning("an account does not open", account=account_id, fault=str(error))
                    now = self._machines.clock.now()
                    await self._machines.store.commit(self._accounts.postpone(account_id, now, now + UNREADABLE))
                except RemitError as error:
                    log.warning("not renewed ahead of need", account=account_id, fault=str(error))

        await asyncio.gather(*(one(*each) for each in due))
        return len(due)

    async def _ahead(self, account_id: str, user_id: str) -> None:
        now, store = self._machines.clock.now(), self._machines.store
        account = await self._accounts.get(account_id, user_id)
        if account is None:
            return
        connection, asked = await store.connections.get(account.connection), keeping.ahead(account)
        if connection is None or asked is None or not rules.belongs(account, connection):
            await store.commit(self._accounts.postpone(account.id, now, None))
        elif seconds := self._circuits.wait(connection.name, now):
            await store.commit(self._accounts.postpone(account.id, now, now + seconds))
        else:
            await self._shared(connection, account, asked, time.monotonic() + LEASE)

    async def _shared(
        self, connection: Connection, account: ConnectedAccount, asked: tuple[str, ...], until: float
    ) -> Result | Wait:
        """What came of the refresh of this account that is under way, or else begins now."""
        if account.id not in self._running:
            if seconds := self._circuits.wait(connection.name, self._machines.clock.now()):
                return Wait(why="The provider gives no answers at the moment.", seconds=seconds)
            task = asyncio.create_task(self._refresh(connection, account, asked))
            self._running[account.id] = asked, task
            self._machines.background.hold(task)
            task.add_done_callback(lambda done: self._over(account.id, done))
        theirs, task = self._running[account.id]
        done, _ = await asyncio.wait({task}, timeout=max(0, until - time.monotonic()))
        if not done:
            return Wait(why="The account is being renewed, which takes long.", seconds=2)
        if isinstance(task.result(), NotNarrowed) and set(theirs) != set(asked):
            return await self._accounts.get(account.id, account.user_id)  # that was about another part of it
        return task.result()

    def _over(self, account_id: str, done: asyncio.Task[Result]) -> None:
        self._running.pop(account_id, None)
        if not done.cancelled():
            done.exception()  # every caller may have left; whoever stayed has heard of it

    async def _refresh(self, connection: Connection, account: ConnectedAccount, asked: tuple[str, ...]) -> Result:
        machines, holder, leased = self._machines, new_id(), time.monotonic()
        try:
            await machines.store.commit(self._accounts.lease(account, holder, machines.clock.now(), LEASE))
        except Lost:
            return await self._somebody_elses(account)
        account, outcome = await self._ask(connection, account, asked, leased + LEASE - SLACK)
        match outcome:
            case Issued():
                return await self._keep(connection, account, outcome, asked)
            case NotNarrowed():
                await self._settle(account, account, holder)
                return outcome
            case Withdrawn(error=error):
                return await self._settle(account, keeping.broken(account), holder, failed=error)
            case Later(why=why):
                after = keeping.failed(account, outcome.kind, machines.clock.now(), outcome.retry_after)
                return await self._settle(account, after, holder, failed=None if account.failing_since else why)

    async def _ask(
        self, connection: Connection, account: ConnectedAccount, asked: tuple[str, ...], until: float
    ) -> tuple[ConnectedAccount, rules.Outcome]:
        """The provider's answer, and the account with the answers that were lost before it. Nothing is sent whose answer
        might come after `until`: the lease may be somebody else's by then."""
        machines, circuits, key = self._machines, self._circuits, account.refresh_token
        assert key is not None, "the plan was to use it"
        outcome: rules.Outcome = Later(kind="unreachable", why="the lease came too late")
        for seconds in ANSWER:
            if time.monotonic() + seconds > until:
                break
            if isinstance(outcome, Later) and outcome.kind in keeping.LOST:
                account = msgspec.structs.replace(account, unanswered=account.unanswered + 1)
            circuits.enter(connection.name, machines.clock.now())
            outcome = await upstream.refresh(machines, connection, key, account.scopes, asked, seconds=seconds)
            if not isinstance(outcome, Later) or outcome.kind == "refused":
                circuits.answered(connection.name)
            else:
                circuits.failed(connection.name, machines.clock.now(), outcome.retry_after)
            if not isinstance(outcome, Later) or outcome.kind not in keeping.LOST:
                break
        return account, outcome

    async def _keep(
        self, connection: Connection, before: ConnectedAccount, issued: Issued, asked: tuple[str, ...]
    ) -> ConnectedAccount | None:
        """Write what the provider gave: by now it may be the only copy of the account's refresh token. That counts even when
        the lease was lost and whoever took it over has written that the old refresh token failed."""
        found: ConnectedAccount | None = before
        while found is not None and found.refresh_token == before.refresh_token and found.state != "disconnected":
            after = rules.renewed(found, issued, asked)
            events = [self._event("vault.refreshed", found, scope=" ".join(asked or after.scopes))]
            if found.failing_since is not None or found.state == "reconnect":
                events.append(self._event("vault.recovered", found))
            if await self._written(self._accounts.save(after), events):
                return _saved(after)
            found = await self._accounts.get(before.id, before.user_id)
        if (found is None or found.state == "disconnected") and issued.refresh_token != before.refresh_token:
            # A disconnect could not know of this token.
            await upstream.revoke(self._machines, connection, rules.renewed(before, issued, asked))
        return found

    async def _settle(
        self, before: ConnectedAccount, after: ConnectedAccount, holder: str, *, failed: str | None = None
    ) -> ConnectedAccount | None:
        """Write that nothing came of it, unless the lease is somebody else's, and end the lease."""
        events = [self._event("vault.refresh_failed", before, cause=failed)] if failed else []
        if await self._written(self._accounts.settle(after, holder), events):
            return _saved(after)
        return await self._accounts.get(before.id, before.user_id)

    async def _written(self, step: Step, events: Sequence[Event]) -> bool:
        """Whether it was: false when the account has changed meanwhile. Raises `Busy` after a long while."""
        until, pause = time.monotonic() + HOLD_ON, 0.1
        while True:
            try:
                await self._machines.store.commit(step, events=tuple(events))
            except Lost:
                return False
            except Busy:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(pause)
                pause = min(2 * pause, 2.0)
            else:
                return True

    def _event(self, kind: str, account: ConnectedAccount, **about: Any) -> Event:
        return self._machines.event(
            kind, user=account.user_id, subject=account.id, connection=account.connection, **about
        )

    async def _somebody_elses(self, account: ConnectedAccount) -> ConnectedAccount | None:
        """The row once it has changed, or once nobody refreshes it any more, or after a while as it is."""
        heard = self._waiting.setdefault(account.id, asyncio.Event())
        until = time.monotonic() + PATIENCE
        try:
            while True:
                heard.clear()
                found = await self._accounts.get(account.id, account.user_id)
                if found is None or found.version != account.version:
                    return found
                if found.lease_until <= self._machines.clock.now() or time.monotonic() > until:
                    return found
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_AGAIN):
                        await heard.wait()
        finally:
            self._waiting.pop(account.id, None)

    def _heard(self, topic: str) -> None:
        """An account was written, here or in another process."""
        for account_id, heard in self._waiting.items():
            if topic in {"*", self._accounts.wake(account_id)}:
                heard.set()


def _saved(account: ConnectedAccount) -> ConnectedAccount:
    """As it is after it was written."""
    return msgspec.structs.replace(account, version=account.version + 1, lease_until=0, lease_holder="")
