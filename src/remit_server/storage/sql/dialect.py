"""The only file that knows how the two databases differ in their SQL."""

# ruff: noqa: S608 - every part of these texts is a constant of this package; values travel as parameters

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from remit_server.storage.sql.statements import (
    Change,
    Delete,
    Insert,
    Kind,
    Select,
    Update,
    kind_of,
    substitute,
    values_of,
)

# A table whose rows lie in the order of its key, and nowhere else.
CLUSTERED = {"sqlite": " WITHOUT ROWID", "postgresql": ""}
COLUMN_TYPES = {
    "sqlite": {"text": "TEXT", "int": "INTEGER", "blob": "BLOB"},
    "postgresql": {"text": "TEXT", "int": "BIGINT", "blob": "BYTEA"},
}
# PostgreSQL compares text by the database's collation unless told otherwise; ids and hashes are bytes to us, on both.
COLLATION = {"sqlite": "", "postgresql": ' COLLATE "C"'}


def render_migration(text: str, dialect: str) -> str:
    """A migration's `{text}`, `{int}`, `{blob}` and `{clustered}` as this database spells them."""
    types = COLUMN_TYPES[dialect]
    texts = types["text"] + COLLATION[dialect]
    return text.format(text=texts, int=types["int"], blob=types["blob"], clustered=CLUSTERED[dialect])


def _replacing(statement: Insert) -> str:
    keys = statement.table.key
    changed = ", ".join(f"{name} = excluded.{name}" for name in statement.names if name not in keys)
    return f"({', '.join(keys)}) DO UPDATE SET {changed}"


def _conflict(statement: Insert) -> str:
    return _replacing(statement) if statement.conflict == "replace" else "DO NOTHING"


@cache
def sqlite_change(statement: Change) -> str:
    """One row at a time, values by name; an insert's by position, which sqlite3 binds faster."""
    table = statement.table.name
    match statement:
        case Insert():
            names, values = ", ".join(statement.names), ", ".join("?" for _ in statement.names)
            return f"INSERT INTO {table} ({names}) VALUES ({values}) ON CONFLICT {_conflict(statement)}"
        case Update():
            return f"UPDATE {table} SET {statement.set} WHERE {statement.where}{_sqlite_returning(statement)}"
        case Delete():
            return f"DELETE FROM {table} WHERE {statement.where}{_sqlite_returning(statement)}"


def _sqlite_returning(statement: Update | Delete) -> str:
    return f" RETURNING {', '.join(statement.returning)}" if statement.returning else ""


@cache
def sqlite_select(select: Select) -> str:
    return f"SELECT {select.wanted} FROM {select.table.name} {select.join} WHERE {select.where} {select.tail}"


@cache
def sqlite_each(select: Select) -> str:
    """A point read for many requests at once: `:asked` is a JSON array of objects, and `p_row` (from 0) tells which of them a
    row answers. CROSS JOIN, which SQLite does not reorder: whatever it believes of a table, it looks each request up."""
    wanted, found, joined = (
        substitute(text, "(v.value ->> '{}')".format) for text in (select.wanted, select.where, select.join)
    )
    return (
        f"SELECT v.key AS p_row, {wanted} FROM json_each(:asked) AS v CROSS JOIN {select.table.name} ON {found} "
        f"{joined} {select.tail}"
    )


_SPELLED: dict[Kind, str] = {"text": "text", "int": "bigint", "blob": "bytea"}
# JSON has no bytes: they travel as base64.
_SPELLED_IN_JSON: dict[Kind, str] = {"text": "text", "int": "bigint", "blob": "text"}


def _requests(statement: Change | Select) -> str:
    """The values of many requests as one row set: a JSON array of objects, numbered so that results find their request.
    One text is encoded in half the time that an array for each column takes.

    The bounds on the number are always kept, and say to the planner: expect one. It takes any such set for a hundred rows,
    and while it believes a table to be small, it would rather hold every row of that against them than look each up.
    """
    columns = ", ".join(f"{name} {_SPELLED_IN_JSON[kind_of(statement, name)]}" for name in values_of(statement))
    names = ", ".join(f"p_{name}" for name in values_of(statement))
    rows = f"ROWS FROM (json_to_recordset($1::json) AS ({columns})) WITH ORDINALITY AS r({names}, p_row)"
    return f"(SELECT * FROM {rows} WHERE p_row BETWEEN 1 AND 1000000) AS v"


def _value(statement: Change | Select) -> Callable[[str], str]:
    """How a value of such a row is written in SQL."""
    return lambda name: f"decode(v.p_{name}, 'base64')" if kind_of(statement, name) == "blob" else f"v.p_{name}"


@cache
def postgresql_change(statement: Change) -> str:
    """Many rows at once. `p_row` (from 1) tells which request a row answers; inserts answer by their key instead,
    because RETURNING cannot see the source rows of an INSERT."""
    table = statement.table.name
    match statement:
        case Insert():
            names = ", ".join(statement.names)
            values = ", ".join(map(_value(statement), statement.names))
            keys = ", ".join(f"{table}.{key}" for key in statement.table.key)
            if statement.after is None:
                return (
                    f"INSERT INTO {table} ({names}) SELECT {values} FROM {_requests(statement)} "
                    f"ON CONFLICT {_conflict(statement)} RETURNING {keys}"
                )
            first = statement.after
            assigned, found = (substitute(text, _value(first)) for text in (first.set, first.where))
            return (
                f"WITH v AS (SELECT * FROM {_requests(statement)}), "
                f"changed AS (UPDATE {first.table.name} SET {assigned} FROM v WHERE {found} RETURNING 1) "
                # A key that is taken fails all of it: the other table must not have changed for rows that are not there.
                f"INSERT INTO {table} ({names}) SELECT {values} FROM v WHERE EXISTS (SELECT 1 FROM changed) RETURNING {keys}"
            )
        case Update():
            wanted = ", ".join(f"{table}.{name}" for name in statement.returning or statement.table.key)
            assigned = substitute(statement.set, _value(statement))
            found = substitute(statement.where, _value(statement))
            return (
                f"UPDATE {table} SET {assigned} FROM {_requests(statement)} WHERE {found} RETURNING v.p_row, {wanted}"
            )
        case Delete():
            wanted = ", ".join(f"{table}.{name}" for name in statement.returning or statement.table.key)
            found = substitute(statement.where, _value(statement))
            return f"DELETE FROM {table} USING {_requests(statement)} WHERE {found} RETURNING v.p_row, {wanted}"


@cache
def postgresql_point(select: Select) -> str:
    """A point read for many requests at once."""
    wanted, found, joined = (substitute(text, _value(select)) for text in (select.wanted, select.where, select.join))
    return (
        f"SELECT v.p_row, {wanted} FROM {_requests(select)} JOIN {select.table.name} ON {found} {joined} {select.tail}"
    )


@cache
def postgresql_select(select: Select) -> str:
    """A listing for one request, values by number."""
    text = f"SELECT {select.wanted} FROM {select.table.name} {select.join} WHERE {select.where} {select.tail}"
    numbered = {name: f"${i}::{_SPELLED[kind_of(select, name)]}" for i, name in enumerate(select.names, 1)}
    return substitute(text, numbered.__getitem__)
