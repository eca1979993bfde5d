"""Bring a database to the shape that this version needs. Runs on start and by `remit migrate`; forward only.

Each file of `migrations/` runs once, in the order of its number, in one transaction with the row that remembers it, and a
digest of what it said. Two nodes that start together wait for each other.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping
from importlib import resources
from typing import Any

from remit_server.errors import ConfigurationError
from remit_server.storage.sql.dialect import render_migration

REMEMBER = "CREATE TABLE IF NOT EXISTS schema_version (number BIGINT PRIMARY KEY, name TEXT NOT NULL)"
LOCK = 0x52454D4954  # "REMIT"


def migrations() -> list[tuple[int, str, str]]:
    """(number, name, text) of every migration, in order."""
    files = resources.files("remit_server.storage") / "migrations"
    found = [(int(f.name[:4]), f.name[5:-4], f.read_text()) for f in files.iterdir() if f.name.endswith(".sql")]
    return sorted(found)


def statements(text: str, dialect: str) -> list[str]:
    """The statements of a migration, rendered."""
    rendered = render_migration(_without_comments(text), dialect)
    return [s.strip() for s in rendered.split(";\n") if s.strip(" ;\n")]


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))


def _remembered(name: str, text: str) -> str:
    """A migration as the database remembers it: one that was changed afterwards is another."""
    return f"{name} {hashlib.sha256(_without_comments(text).encode()).hexdigest()[:16]}"


def _pending(done: Mapping[int, str]) -> list[tuple[int, str, str]]:
    known = migrations()
    if done.keys() - {number for number, _, _ in known}:
        raise ConfigurationError("the database was made by a newer version of Remit; run that one")
    if any(done.get(number) not in {None, _remembered(name, text)} for number, name, text in known):
        raise ConfigurationError(
            "the database was made by a development version of Remit, from which no way leads here; begin with an empty one"
        )
    return [step for step in known if step[0] not in done]


def migrate_sqlite(connection: sqlite3.Connection) -> list[str]:
    """The names of the migrations that ran."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(REMEMBER)
        steps = _pending(dict(connection.execute("SELECT number, name FROM schema_version").fetchall()))
        for number, name, text in steps:
            for statement in statements(text, "sqlite"):
                connection.execute(statement)
            connection.execute("INSERT INTO schema_version VALUES (?, ?)", (number, _remembered(name, text)))
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return [name for _, name, _ in steps]


async def migrate_postgresql(connection: Any) -> list[str]:
    """The names of the migrations that ran."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        await connection.execute(REMEMBER)
        steps = _pending({row[0]: row[1] for row in await connection.fetch("SELECT number, name FROM schema_version")})
        for number, name, text in steps:
            for statement in statements(text, "postgresql"):
                await connection.execute(statement)
            await connection.execute("INSERT INTO schema_version VALUES ($1, $2)", number, _remembered(name, text))
    return [name for _, name, _ in steps]
