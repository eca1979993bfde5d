"""A connection to PostgreSQL with our settings, and what its errors mean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import msgspec

from remit_server.errors import ConfigurationError
from remit_server.storage.contract import Params

Link = Any  # asyncpg.Connection, which has no types
RETRY_SECONDS: Final = 0.5

AWAY: Final = (
    OSError,  # a timeout is one
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what asyncpg makes of a connection that ends between two of its steps
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, or our own statement_timeout
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,  # the primary has become a standby
)
"""The database, or the way to it, fails: not the request. The connection is given up, whoever waits gets `Busy`."""

UNSTORABLE: Final = (ValueError, OverflowError, asyncpg.DataError, asyncpg.ProgramLimitExceededError)
"""A value does not fit, as asyncpg (before it is sent) or PostgreSQL (SQLSTATE classes 22 and 54) finds."""

SETTINGS: Final = {
    "application_name": "remit",
    "timezone": "UTC",
    "default_transaction_isolation": "read committed",
    "statement_timeout": "10s",
    "lock_timeout": "5s",
    # A process that is stopped in the middle of a batch holds the head of the chain: others wait no longer than this.
    "idle_in_transaction_session_timeout": "10s",
    # Every statement here looks rows up by an index. The planner does not know how many values an array holds and,
    # before the first ANALYZE, how large a table has grown; left to itself it scans the table and keeps that plan.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}


_encode = msgspec.json.Encoder().encode


def as_json(values: Sequence[Params]) -> str:
    """The values of many requests, as `dialect` has the database read them. Raises one of `UNSTORABLE`."""
    return _encode(values).decode()


async def connect(url: str, *, patient: bool = False) -> Link:
    """A `patient` one waits as long as its statements take, as migrations must. Raises one of `AWAY`, or
    `asyncpg.PostgresError` when the server refuses us."""
    link = await asyncpg.connect(
        url,
        timeout=5,
        command_timeout=None if patient else 12,
        statement_cache_size=1024,
        max_cached_statement_lifetime=0,
        server_settings=SETTINGS | ({"statement_timeout": "0", "lock_timeout": "0"} if patient else {}),
    )
    # "Acknowledged means durable" is not for a server's configuration to weaken; stronger than `on` may stay.
    await link.execute(
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') IN ('off', 'local')"
    )
    return link


@asynccontextmanager
async def alone(url: str) -> AsyncIterator[Link]:
    """A patient connection for one piece of work. Raises `ConfigurationError`, in words without the URL, which may hold a
    password, when there is none to be had."""
    try:
        link = await connect(url, patient=True)
    except (*AWAY, *UNSTORABLE, asyncpg.PostgresError) as error:
        raise ConfigurationError(f"PostgreSQL cannot be reached: {str(error) or type(error).__name__}") from error
    try:
        yield link
    finally:
        await let_go(link)


async def let_go(link: Link) -> None:
    """Close a connection, politely when it is still there."""
    try:
        await link.close(timeout=2)
    except AWAY:
        link.terminate()


async def reconnect(url: str, *, wanted: Callable[[], bool], failed: Callable[[], None]) -> Link | None:
    """A new connection, however long it takes while it is `wanted`; `failed` hears of every vain attempt."""
    while wanted():
        try:
            return await connect(url)
        except (*AWAY, asyncpg.PostgresError):
            failed()
            await asyncio.sleep(RETRY_SECONDS)
    return None
