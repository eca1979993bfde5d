"""A consistent copy of a database in one file, and filling an empty database from it.

SQLite's copy is a database file, made by SQLite's own backup while everything runs. PostgreSQL's is a zip with one JSON-lines
file a table, read in one snapshot. The master key is not in either: without it what is sealed in the copy stays sealed, so
it must be kept as well, and in another place.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import zipfile
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from remit_server.errors import ConfigurationError
from remit_server.storage.contract import Row
from remit_server.storage.migrate import migrate_postgresql
from remit_server.storage.sql.tables import ALL, DATA_KEYS

VERSIONS: Final = "schema_version"
FORM: Final = "remit postgresql backup 1"
AT_ONCE: Final = 1000


@contextmanager
def _new(path: Path) -> Iterator[None]:
    """An empty file for its owner only, to be filled; half a copy is none, and goes. Raises `ConfigurationError` when there
    is one already: a backup overwrites nothing."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError as error:
        raise ConfigurationError(f"{path} is there already") from error
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def backup_sqlite(database: Path, to: Path) -> None:
    with _new(to), closing(_reading(database)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it


def restore_sqlite(file: Path, database: Path) -> None:
    """Raises `ConfigurationError` for a file that is no sound copy, or a place that is taken."""
    source = _reading(file)
    try:
        (sound,) = source.execute("PRAGMA integrity_check").fetchone()
        source.execute(f"SELECT number FROM {VERSIONS}")  # noqa: S608 - a constant
    except sqlite3.DatabaseError as error:
        raise ConfigurationError(f"{file} is not a backup of Remit on SQLite") from error
    finally:
        source.close()
    if sound != "ok":
        raise ConfigurationError(f"{file} is damaged: {sound}")
    for left in (database.with_name(f"{database.name}{end}") for end in ("-wal", "-journal")):
        if left.exists():  # SQLite would write what it holds, of another database, into this one
            raise ConfigurationError(f"{left} is there still, of a database that is not: move it away")
    database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _new(database):
        shutil.copyfile(file, database)


def _reading(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)


async def backup_postgresql(connection: Any, to: Path) -> None:
    with _new(to), zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("form", FORM)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            versions = await connection.fetch(f"SELECT number, name FROM {VERSIONS} ORDER BY number")  # noqa: S608
            archive.writestr(VERSIONS, json.dumps([list(row.values()) for row in versions]))
            for table in ALL:
                names = tuple(table.columns)
                with archive.open(f"{table.name}.jsonl", "w", force_zip64=True) as lines:
                    query = f"SELECT {', '.join(names)} FROM {table.name} ORDER BY {', '.join(table.key)}"  # noqa: S608
                    async for row in connection.cursor(query, prefetch=AT_ONCE):
                        lines.write(json.dumps([_out(value) for value in row.values()]).encode() + b"\n")


@contextmanager
def _archive(file: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(file)
        form = archive.read("form").decode()
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise ConfigurationError(f"{file} is not a backup of Remit on PostgreSQL") from error
    with archive:
        if form != FORM:
            raise ConfigurationError(f"{file} was made by a version of Remit that this one does not read")
        yield archive


async def restore_postgresql(connection: Any, file: Path) -> None:
    """Into an empty database, in one transaction. Raises `ConfigurationError` for another file or another version."""
    with _archive(file) as archive:
        await migrate_postgresql(connection)
        async with connection.transaction():
            versions = await connection.fetch(f"SELECT number, name FROM {VERSIONS} ORDER BY number")  # noqa: S608
            if [list(row.values()) for row in versions] != json.loads(archive.read(VERSIONS)):
                raise ConfigurationError("the backup was made by another version of Remit: restore it with that one")
            if await connection.fetchval("SELECT count(*) FROM data_keys"):
                raise ConfigurationError("the database is not empty")
            await connection.execute("DELETE FROM chain")  # the migration's own first link
            for table in ALL:
                async for rows in _batches(archive, table.name, tuple(table.columns.values())):
                    await connection.copy_records_to_table(table.name, records=rows, columns=list(table.columns))


def wrapped_in_sqlite(file: Path) -> Sequence[Row]:
    """The wrapped data keys in a backup, as `DataKeys.all`. Raises `ConfigurationError` for a file that is none."""
    try:
        with closing(_reading(file)) as source:
            source.row_factory = sqlite3.Row
            return [dict(row) for row in source.execute("SELECT * FROM data_keys")]
    except sqlite3.DatabaseError as error:
        raise ConfigurationError(f"{file} is not a backup of Remit on SQLite") from error


def wrapped_in_postgresql(file: Path) -> Sequence[Row]:
    """The same of PostgreSQL's form."""
    names, kinds = tuple(DATA_KEYS.columns), tuple(DATA_KEYS.columns.values())
    with _archive(file) as archive:
        lines = [json.loads(line) for line in archive.read(f"{DATA_KEYS.name}.jsonl").splitlines()]
    return [dict(zip(names, map(_in, line, kinds), strict=True)) for line in lines]


async def _batches(archive: zipfile.ZipFile, name: str, kinds: tuple[str, ...]) -> AsyncIterator[list[tuple[Any, ...]]]:
    rows: list[tuple[Any, ...]] = []
    with archive.open(f"{name}.jsonl") as lines:
        for line in lines:
            rows.append(tuple(_in(value, kind) for value, kind in zip(json.loads(line), kinds, strict=True)))
            if len(rows) == AT_ONCE:
                yield rows
                rows = []
    if rows:
        yield rows


def _out(value: Any) -> Any:
    return b64encode(value).decode() if isinstance(value, bytes) else value


def _in(value: Any, kind: str) -> Any:
    return b64decode(value) if kind == "blob" and value is not None else value
