"""The database's shape: what the migrations make is what the statements expect."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from tests.fixtures.databases import NewDatabase, execute
from tests.storage.conftest import MASTER, NOW, Open

from remit_server.errors import ConfigurationError
from remit_server.storage import migrate
from remit_server.storage.open import open_engine, open_store
from remit_server.storage.sql.dialect import COLUMN_TYPES
from remit_server.storage.sql.tables import ALL
from remit_server.storage.store import Store

POSTGRESQL_NAMES = {"text": "TEXT", "bigint": "BIGINT", "bytea": "BYTEA"}
Shape = dict[str, dict[str, tuple[str, bool]]]


def sqlite_shape(path: str) -> tuple[Shape, dict[str, tuple[str, ...]]]:
    connection = sqlite3.connect(path)
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = {name: connection.execute(f"PRAGMA table_info({name})").fetchall() for name in names}
    connection.close()
    return (
        {name: {c[1]: (c[2], bool(c[3])) for c in found} for name, found in columns.items()},
        {name: tuple(c[1] for c in sorted(found, key=lambda c: c[5]) if c[5]) for name, found in columns.items()},
    )


def postgresql_shape(url: str) -> tuple[Shape, dict[str, tuple[str, ...]]]:
    shape: Shape = {}
    for row in execute(
        url,
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns "
        "WHERE table_schema = 'public' ORDER BY ordinal_position",
    ):
        column = (POSTGRESQL_NAMES[row["data_type"]], row["is_nullable"] == "NO")
        shape.setdefault(row["table_name"], {})[row["column_name"]] = column
    keys: dict[str, tuple[str, ...]] = {}
    for row in execute(
        url,
        "SELECT table_name, column_name FROM information_schema.key_column_usage "
        "JOIN information_schema.table_constraints "
        "USING (constraint_name, table_name, table_schema) "
        "WHERE constraint_type = 'PRIMARY KEY' AND table_schema = 'public' ORDER BY table_name, ordinal_position",
    ):
        keys[row["table_name"]] = (*keys.get(row["table_name"], ()), row["column_name"])
    return shape, keys


async def test_tables_and_migrations_say_the_same(store: Store, database_url: str) -> None:
    backend = store.engine.dialect
    shape, keys = sqlite_shape(database_url[7:]) if backend == "sqlite" else postgresql_shape(database_url)
    del shape["schema_version"], keys["schema_version"]
    assert {name: {c: kind for c, (kind, _) in columns.items()} for name, columns in shape.items()} == {
        table.name: {name: COLUMN_TYPES[backend][kind] for name, kind in table.columns.items()} for table in ALL
    }
    assert keys == {table.name: table.key for table in ALL}
    nullable_keys = [f"{t.name}.{name}" for t in ALL for name in t.key if not shape[t.name][name][1]]
    assert nullable_keys == []
    assert [t.name for t in ALL if "body" in t.columns and not shape[t.name]["body"][1]] == []


async def test_opening_again_changes_nothing(open_: Open) -> None:
    first = await open_()
    await first.commit(first.secrets.add("s", b"v"))
    assert await (await open_()).secrets.get("s") == b"v"


async def test_nodes_that_start_together_wait_for_each_other(database_url: str) -> None:
    stores = await asyncio.gather(*(open_store(database_url, MASTER, NOW) for _ in range(4)))
    await stores[0].commit(stores[0].secrets.add("s", b"v"))
    assert [await store.secrets.get("s") for store in stores] == [b"v"] * 4
    await stores[1].commit(stores[1].secrets.add("t", b"v"))
    assert [await store.secrets.get("t") for store in stores] == [b"v"] * 4
    for store in stores:
        await store.close()


@pytest.mark.parametrize("changed", [True, False])
async def test_a_database_that_another_text_of_a_migration_made_is_refused(
    database_url: str, monkeypatch: pytest.MonkeyPatch, *, changed: bool
) -> None:
    """Until the first release the first migration is changed in place. Its comments make no difference."""
    await (await open_engine(database_url)).close()
    ((number, name, text), *more) = migrate.migrations()
    other = f"{text}CREATE TABLE more (id {{text}});\n" if changed else f"-- More is said.\n{text}"
    monkeypatch.setattr(migrate, "migrations", lambda: [(number, name, other), *more])
    if changed:
        with pytest.raises(ConfigurationError, match="begin with an empty one"):
            await open_engine(database_url)
    else:
        await (await open_engine(database_url)).close()


async def test_a_newer_database_is_refused(database_url: str) -> None:
    await (await open_engine(database_url)).close()
    newer = "INSERT INTO schema_version VALUES (9999, 'from the future')"
    if database_url.startswith("sqlite:"):
        with sqlite3.connect(database_url[7:]) as connection:
            connection.execute(newer)
        connection.close()
    else:
        execute(database_url, newer)
    with pytest.raises(ConfigurationError, match="newer"):
        await open_engine(database_url)


async def test_a_migration_that_fails_leaves_nothing(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = migrate.migrations()
    broken = (2, "broken", "CREATE TABLE half (id {text});\nCREATE TABLE half (id {text});\n")
    monkeypatch.setattr(migrate, "migrations", lambda: [*known, broken])
    with pytest.raises(Exception, match="already exists"):
        await open_engine(database_url)
    monkeypatch.undo()
    engine = await open_engine(database_url)
    await engine.close()


def test_migrations_are_numbered_without_gaps() -> None:
    assert [number for number, _, _ in migrate.migrations()] == list(range(1, len(migrate.migrations()) + 1))


async def test_an_unknown_database_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="sqlite:PATH"):
        await open_engine("mysql://localhost/remit")


async def test_a_new_file_is_for_its_owner_only(new_database: NewDatabase) -> None:
    url = new_database("sqlite").replace("remit.db", "odd ?#%20 name.db")
    store = await open_store(url, MASTER, NOW)
    await store.commit(store.secrets.add("s", b"v"))
    files = list(Path(url.removeprefix("sqlite:")).parent.iterdir())
    assert {file.name.removesuffix("-wal").removesuffix("-shm") for file in files} == {"odd ?#%20 name.db"}
    assert {oct(file.stat().st_mode & 0o777) for file in files} == {"0o600"}
    await store.close()
