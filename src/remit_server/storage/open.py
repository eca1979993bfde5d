"""Open a store: the engine that a URL names, migrated, with its keyring unlocked."""

from __future__ import annotations

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
        path = Path(rest)
        connection = sqlite.connect(path)
        try:
            migrate_sqlite(connection)
        finally:
            connection.close()
        return sqlite.SqliteEngine(path)
    if scheme in {"postgresql", "postgres"}:
        from remit_server.storage.sql import postgresql  # noqa: PLC0415 - asyncpg is loaded only where it is used

        connection = await postgresql.connect(database, patient=True)
        try:
            await migrate_postgresql(connection)
        finally:
            await connection.close()
        return await postgresql.PostgresEngine.open(database)
    raise ConfigurationError("the database must be sqlite:PATH or postgresql://…")


async def open_store(database: str, master: Master, now: int) -> Store:
    """Raises `ConfigurationError` or `IntegrityError` when this database is not for us to open."""
    engine = await open_engine(database)
    try:
        barrier = await unlock(engine, master, now)
    except BaseException:
        await engine.close()
        raise
    return Store(engine, barrier, Keyring(engine, master, barrier))
