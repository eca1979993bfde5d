"""Open a store: the engine that a URL names, migrated, with its keyring unlocked."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from remit_server.errors import ConfigurationError
from remit_server.storage.barrier import Master
from remit_server.storage.contract import Engine
from remit_server.storage.keyring import Keyring, unlock
from remit_server.storage.migrate import migrate_postgresql, migrate_sqlite
from remit_server.storage.sql import sqlite
from remit_server.storage.store import Store


async def open_engine(database: str) -> Engine:
    """The engine for `sqlite:PATH` or `postgresql://…`, its schema brought up to date."""
    scheme, _, rest = database.partition(":")
    if scheme == "sqlite":
        return _open_sqlite(Path(rest))
    if scheme in {"postgresql", "postgres"}:
        from remit_server.storage.sql import postgresql  # noqa: PLC0415 - asyncpg is loaded only where it is used

        async with postgresql.alone(database) as connection:
            await migrate_postgresql(connection)
        return await postgresql.PostgresEngine.open(database)
    raise ConfigurationError("the database must be sqlite:PATH or postgresql://…")


def _open_sqlite(path: Path) -> Engine:
    try:
        with closing(sqlite.connect(path)) as connection:
            migrate_sqlite(connection)
        return sqlite.SqliteEngine(path)
    except (OSError, sqlite3.DatabaseError) as error:
        raise ConfigurationError(f"the database {path} cannot be opened: {error}") from error


async def open_store(database: str, master: Master, now: int) -> Store:
    """Raises `ConfigurationError` or `IntegrityError` when this database is not for us to open."""
    engine = await open_engine(database)
    try:
        barrier = await unlock(engine, master, now)
    except BaseException:
        await engine.close()
        raise
    return Store(engine, barrier, Keyring(engine, master, barrier))
