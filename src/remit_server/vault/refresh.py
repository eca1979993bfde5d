"""One refresher per connected account, in this process and in all others; what it gets is durable before anybody sees it.

In a process the callers of one account share one task, which goes on when they leave: neither a client that hangs
up nor the end of the server may cut a rotation in half. Between processes a lease on the row chooses one, the others
wait and read again. Whoever dies with the lease leaves a row that still works: the next one presents the same refresh
token, and either the provider forgives that (many allow a short grace) or it says invalid_grant and the person is asked
to reconnect. An account is never silently dead.
"""

from __future__ import annotations

import asyncio
import time

import msgspec

from remit_server.errors import AccessDenied, NotConnected, TemporarilyUnavailable, UpstreamRefused
from remit_server.records import ConnectedAccount, Connection
from remit_server.rules import connection as rules
from remit_server.rules.connection import Issued, Later, NotNarrowed, Reconnect, Refresh, TooWide, Use, Withdrawn
from remit_server.runtime.ids import new_id
from remit_server.runtime.machines import Machines
from remit_server.runtime.outbound import TIMEOUT
from remit_server.storage.contract import Busy, Lost
from remit_server.vault import upstream

LEASE = 30
"""Seconds; longer than a request upstream and the writing of its answer may take together."""
PATIENCE = TIMEOUT + 4
"""Seconds that a request waits for somebody else's refresh."""
LOOK_AGAIN = 0.25
TRIES_TO_SAVE = 8


class Refresher:
    """Gets usable tokens of connected accounts. One for the whole server."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        self._running: dict[str, asyncio.Task[ConnectedAccount]] = {}

    async def usable(
        self, connection: Connection, account: ConnectedAccount, wanted: tuple[str, ...], *, may: frozenset[str]
    ) -> Use:
        """A token with these scopes. Raises `UpstreamRefused` when only the person can help, `AccessDenied` when the
        provider cannot give less than the client may not have, `TemporarilyUnavailable` when trying again may do."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            now = self._machines.clock.now()
            match rules.plan(account, wanted, may=may, now=now):
                case Use() as use:
                    return use
                case Reconnect(cause=cause):
                    raise UpstreamRefused(f"{_TEXT} {cause}")
                case TooWide():
                    raise AccessDenied("The provider gives no token that allows only what this client may borrow.")
                case Refresh(scopes=asked):
                    try:
                        account = await self._shared(connection, account, asked)
                    except TemporarilyUnavailable:
                        spare = rules.plan(account, wanted, may=may, now=now, last_minute=True)
                        if isinstance(spare, Use):
                            return spare
                        raise
        raise _later(1)

    async def _shared(
        self, connection: Connection, account: ConnectedAccount, asked: tuple[str, ...]
    ) -> ConnectedAccount:
        task = self._running.get(account.id)
        if task is None:
            task = asyncio.create_task(self._refresh(connection, account, asked))
            self._running[account.id] = task
            self._machines.background.hold(task)
            task.add_done_callback(lambda done: self._over(account.id, done))
        return await asyncio.shield(task)

    def _over(self, account_id: str, done: asyncio.Task[ConnectedAccount]) -> None:
        self._running.pop(account_id, None)
        if not done.cancelled():
            done.exception()  # every caller may have left; whoever stayed has heard of it

    async def _refresh(
        self, connection: Connection, account: ConnectedAccount, asked: tuple[str, ...]
    ) -> ConnectedAccount:
        """The account after a refresh, ours or somebody else's."""
        machines, holder = self._machines, new_id()
        accounts = machines.store.connected_accounts
        try:
            await machines.store.commit(accounts.lease(account, holder, machines.clock.now(), LEASE))
        except Lost:
            return await self._somebody_elses(account)
        assert account.refresh_token is not None, "the plan was to use it"
        outcome = await upstream.refresh(machines, connection, account.refresh_token, account.scopes, asked)
        match outcome:
            case Issued():
                return await self._keep(connection, account, rules.renewed(account, outcome, asked), asked)
            case Withdrawn(error=error):
                cause = "The provider does not accept the grant any more."
                broken = msgspec.structs.replace(account, state="reconnect", cause=cause)
                return await self._keep(connection, account, broken, asked, failed=error)
            case NotNarrowed():
                await self._let_go(account, holder, "invalid_scope")
                raise AccessDenied("The provider gives no token for a part of what the person granted.")
            case Later(why=why, retry_after=seconds):
                await self._let_go(account, holder, why)
                raise _later(seconds, why)

    async def _keep(
        self, connection: Connection, before: ConnectedAccount, after: ConnectedAccount, asked: tuple[str, ...], *,
        failed: str | None = None,
    ) -> ConnectedAccount:  # fmt: skip
        """Write what the provider answered: by now it may be the only copy of the account's refresh token."""
        machines = self._machines
        event = machines.event(
            "vault.refresh_failed" if failed else "vault.refreshed", user=before.user_id, subject=before.id,
            connection=before.connection, cause=failed, scope=None if failed else " ".join(asked or after.scopes),
        )  # fmt: skip
        for attempt in range(TRIES_TO_SAVE):
            try:
                await machines.store.commit(machines.store.connected_accounts.save(after), events=(event,))
                return msgspec.structs.replace(after, version=before.version + 1, lease_until=0, lease_holder="")
            except Busy:
                if attempt == TRIES_TO_SAVE - 1:
                    raise
                await asyncio.sleep(0.1 * 2**attempt)
            except Lost:
                break
        return await self._overtaken(connection, before, after)

    async def _overtaken(
        self, connection: Connection, before: ConnectedAccount, after: ConnectedAccount
    ) -> ConnectedAccount:
        """The person disconnected or reconnected meanwhile. What a disconnect could not know of is taken back here."""
        found = await self._machines.store.connected_accounts.get(before.id, before.user_id)
        if (found is None or found.state == "disconnected") and after.state == "ok":
            await upstream.revoke(self._machines, connection, after)
        if found is None:
            raise NotConnected
        return found

    async def _let_go(self, account: ConnectedAccount, holder: str, why: str) -> None:
        machines = self._machines
        event = machines.event(
            "vault.refresh_failed", user=account.user_id, subject=account.id, connection=account.connection, cause=why
        )
        await machines.store.commit(machines.store.connected_accounts.release(account.id, holder), events=(event,))

    async def _somebody_elses(self, account: ConnectedAccount) -> ConnectedAccount:
        """The row once it has changed, or once nobody refreshes it any more. Raises `TemporarilyUnavailable` after a while."""
        machines, until = self._machines, time.monotonic() + PATIENCE
        while time.monotonic() < until:
            found = await machines.store.connected_accounts.get(account.id, account.user_id)
            if found is None:
                raise NotConnected
            if found.version != account.version or found.lease_until <= machines.clock.now():
                return found
            await asyncio.sleep(LOOK_AGAIN)
        raise _later(1, "another process holds the lease")


_TEXT = "The account must be connected again."


def _later(seconds: int, why: str | None = None) -> TemporarilyUnavailable:
    return TemporarilyUnavailable(
        "The provider cannot be reached at the moment; try again shortly.", detail=why,
        headers={"Retry-After": str(seconds)},
    )  # fmt: skip
