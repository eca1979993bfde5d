"""Open a store: the engine that a URL names, migrated, with its keyring unlocked."""

from __future__ import annotations

from pathlib import Path

from remit_server.errors import ConfigurationError, IntegrityError
from remit_server.storage.barrier import Barrier, Master
from remit_server.storage.contract import Engine, Lost, Unit
from remit_server.storage.groups.keys import DataKeys
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


async def unlock(engine: Engine, master: Master, now: int) -> Barrier:
    """The keyring of this database, made on the very first start. Raises `IntegrityError` when the master is another one."""
    keys = DataKeys(engine)
    rows = await keys.all()
    if not rows:
        key_id, key = Barrier.new_key()
        try:
            await engine.commit(Unit([keys.add(key_id, master.wrap(key, key_id), master.id, now)]))
        except Lost as error:  # ids are random: this cannot be a race
            raise IntegrityError("the first data key could not be stored") from error
        rows = await keys.all()
    return Barrier({row["id"]: master.unwrap(row["body"], row["id"]) for row in rows}, rows[-1]["id"])


async def open_store(database: str, master: Master, now: int) -> Store:
    engine = await open_engine(database)
    try:
        return Store(engine, await unlock(engine, master, now))
    except BaseException:
        await engine.close()
        raise
