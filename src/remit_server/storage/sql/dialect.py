"""The only file that knows how the two databases differ in their SQL."""

# ruff: noqa: S608 - every part of these texts is a constant of this package; values travel as parameters

from __future__ import annotations

from functools import cache

from remit_server.storage.sql.statements import Change, Delete, Insert, Kind, Select, Update, kind_of, substitute

COLUMN_TYPES = {
    "sqlite": {"text": "TEXT", "int": "INTEGER", "blob": "BLOB"},
    "postgresql": {"text": "TEXT", "int": "BIGINT", "blob": "BYTEA"},
}
# PostgreSQL compares text by the database's collation unless told otherwise; ids and hashes are bytes to us, on both.
COLLATION = {"sqlite": "", "postgresql": ' COLLATE "C"'}


def render_migration(text: str, dialect: str) -> str:
    """A migration's `{text}`, `{int}` and `{blob}` as this database spells them."""
    types = COLUMN_TYPES[dialect]
    return text.format(text=types["text"] + COLLATION[dialect], int=types["int"], blob=types["blob"])


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


def _unnest(statement: Change | Select) -> str:
    """The values of many rows as one row set: an array a column, numbered so that results find their request."""
    spelled: dict[Kind, str] = {"text": "text", "int": "bigint", "blob": "bytea"}
    arrays = ", ".join(f"${i}::{spelled[kind_of(statement, name)]}[]" for i, name in enumerate(statement.names, 1))
    names = ", ".join(f"p_{name}" for name in statement.names)
    return f"unnest({arrays}) WITH ORDINALITY AS v({names}, p_row)"


@cache
def postgresql_change(statement: Change) -> str:
    """Many rows at once. `p_row` (from 1) tells which request a row answers; inserts answer by their key instead,
    because RETURNING cannot see the source rows of an INSERT."""
    table = statement.table.name
    match statement:
        case Insert():
            names = ", ".join(statement.names)
            values = ", ".join(f"v.p_{name}" for name in statement.names)
            keys = ", ".join(f"{table}.{key}" for key in statement.table.key)
            added = f"ON CONFLICT {_conflict(statement)} RETURNING {keys}"
            if statement.then is None:
                return f"INSERT INTO {table} ({names}) SELECT {values} FROM {_unnest(statement)} {added}"
            then = statement.then
            assigned, found = (substitute(text, "v.p_{}".format) for text in (then.set, then.where))
            return (
                f"WITH v AS (SELECT * FROM {_unnest(statement)}), "
                f"changed AS (UPDATE {then.table.name} SET {assigned} FROM v WHERE {found}) "
                f"INSERT INTO {table} ({names}) SELECT {values} FROM v {added}"
            )
        case Update():
            wanted = ", ".join(f"{table}.{name}" for name in statement.returning or statement.table.key)
            assigned = substitute(statement.set, "v.p_{}".format)
            found = substitute(statement.where, "v.p_{}".format)
            return f"UPDATE {table} SET {assigned} FROM {_unnest(statement)} WHERE {found} RETURNING v.p_row, {wanted}"
        case Delete():
            wanted = ", ".join(f"{table}.{name}" for name in statement.returning or statement.table.key)
            found = substitute(statement.where, "v.p_{}".format)
            return f"DELETE FROM {table} USING {_unnest(statement)} WHERE {found} RETURNING v.p_row, {wanted}"


@cache
def postgresql_point(select: Select) -> str:
    """A point read for many requests at once."""
    found = substitute(select.where, "v.p_{}".format)
    return (
        f"SELECT v.p_row, {select.wanted} FROM {_unnest(select)} JOIN {select.table.name} ON {found} {select.join} "
        f"{select.tail}"
    )


@cache
def postgresql_select(select: Select) -> str:
    """A listing for one request, values by number."""
    text = f"SELECT {select.wanted} FROM {select.table.name} {select.join} WHERE {select.where} {select.tail}"
    spelled: dict[Kind, str] = {"text": "text", "int": "bigint", "blob": "bytea"}
    numbered = {name: f"${i}::{spelled[kind_of(select, name)]}" for i, name in enumerate(select.names, 1)}
    return substitute(text, numbered.__getitem__)
