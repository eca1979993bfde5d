"""Open a store: the engine that a URL names, migrated, with its keyring unlocked.

The master is proved first. Nothing is written, not even a schema, to a database whose data keys it does not open, and no
database is begun whose first data key it could not wrap.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from remit_server.errors import ConfigurationError
from remit_server.storage.contract import Engine, Row
from remit_server.storage.directory import own_directory
from remit_server.storage.keepers import Keeper
from remit_server.storage.keyring import Keyring, fresh, open_all, unlock
from remit_server.storage.migrate import migrate_postgresql, migrate_sqlite
from remit_server.storage.sql import sqlite
from remit_server.storage.store import Store

_WRAPPED = "SELECT id, wrapped_by, created_at, body FROM data_keys ORDER BY created_at, id, wrapped_by"


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
    own_directory(path.parent)
    try:
        with closing(sqlite.connect(path)) as connection:
            migrate_sqlite(connection)
        return sqlite.SqliteEngine(path)
    except (OSError, sqlite3.DatabaseError) as error:
        raise ConfigurationError(f"the database {path} cannot be opened: {error}") from error


async def wrapped_keys(database: str) -> Sequence[Row]:
    """The wrapped data keys of a database, as `DataKeys.all`; none where there is no database yet. Writes nothing."""
    scheme, _, rest = database.partition(":")
    if scheme == "sqlite":
        return _wrapped_in_file(Path(rest))
    if scheme in {"postgresql", "postgres"}:
        from remit_server.storage.sql import postgresql  # noqa: PLC0415 - asyncpg is loaded only where it is used

        async with postgresql.alone(database) as connection:
            there = await connection.fetchval("SELECT to_regclass('data_keys') IS NOT NULL")
            return [dict(row) for row in await connection.fetch(_WRAPPED)] if there else []
    raise ConfigurationError("the database must be sqlite:PATH or postgresql://…")


def _wrapped_in_file(path: Path) -> Sequence[Row]:
    if not path.exists():
        return []
    try:
        with closing(sqlite.connect(path, read_only=True)) as connection:
            there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'data_keys'").fetchone()
            return [dict(row) for row in connection.execute(_WRAPPED)] if there else []
    except (OSError, sqlite3.DatabaseError) as error:
        raise ConfigurationError(f"the database {path} cannot be opened: {error}") from error


async def open_store(database: str, keeper: Keeper, now: int) -> Store:
    """Raises `ConfigurationError` or `IntegrityError` when this database is not for us to open."""
    rows = await wrapped_keys(database)
    known = await open_all(rows, keeper)
    first = None if rows else await fresh(keeper)
    engine = await open_engine(database)
    try:
        barrier = await unlock(engine, keeper, known, first, now)
    except BaseException:
        await engine.close()
        raise
    return Store(engine, barrier, Keyring(engine, keeper, barrier))
