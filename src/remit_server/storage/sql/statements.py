"""Statements as data: what to do to which table, with `:named` values. `dialect` turns them into SQL.

A statement is written for one row. PostgreSQL gets it rendered for a set of rows, so that fifty requests that insert a
token cost one statement; SQLite runs it row by row inside one transaction, which is as fast there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

Kind = Literal["text", "int", "blob"]
_NAMED = re.compile(r"(?<!:):([a-z_]+)")
_EQUAL = re.compile(r"\b(?:[a-z_]+\.)?[a-z_]+ = :([a-z_]+)")


@dataclass(frozen=True)
class Table:
    """A table: its columns by kind. What a statement filters on or changes is a column; the rest of a record is `body`."""

    name: str
    columns: dict[str, Kind]
    key: tuple[str, ...]

    def __hash__(self) -> int:
        return hash(self.name)


def _named(*texts: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for text in texts for name in _NAMED.findall(text)))


@dataclass(frozen=True, eq=False)
class Insert:
    """Add a row. When its key (or another unique column) is taken: `lose`, or `replace` the columns with the new values.

    `after` must first change another table by the last of the rows added at once, or none is added; on PostgreSQL both are
    one round trip.
    """

    table: Table
    conflict: Literal["lose", "replace"] = "lose"
    types: dict[str, Kind] = field(default_factory=dict)
    after: Update | None = None

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(self.table.columns)

    @property
    def target(self) -> tuple[str, ...]:
        """The values that say which row is meant: two requests that agree in them may mean the same row."""
        return self.table.key


@dataclass(frozen=True, eq=False)
class Update:
    """Change the rows that `where` finds; `returning` names the columns handed back."""

    table: Table
    set: str
    where: str
    returning: tuple[str, ...] = ()
    types: dict[str, Kind] = field(default_factory=dict)

    @cached_property
    def names(self) -> tuple[str, ...]:
        return _named(self.set, self.where)

    @cached_property
    def target(self) -> tuple[str, ...]:
        return tuple(_EQUAL.findall(self.where))


@dataclass(frozen=True, eq=False)
class Delete:
    """Remove the rows that `where` finds."""

    table: Table
    where: str
    returning: tuple[str, ...] = ()
    types: dict[str, Kind] = field(default_factory=dict)

    @cached_property
    def names(self) -> tuple[str, ...]:
        return _named(self.where)

    @cached_property
    def target(self) -> tuple[str, ...]:
        return tuple(_EQUAL.findall(self.where))


@dataclass(frozen=True, eq=False)
class Select:
    """Read rows. `columns` and `join` are SQL that both databases understand; `tail` is ORDER BY and LIMIT."""

    table: Table
    where: str = "1 = 1"
    columns: str = ""
    join: str = ""
    tail: str = ""
    types: dict[str, Kind] = field(default_factory=dict)

    @cached_property
    def names(self) -> tuple[str, ...]:
        return _named(self.columns, self.join, self.where, self.tail)

    @property
    def wanted(self) -> str:
        return self.columns or f"{self.table.name}.*"


Change = Insert | Update | Delete
Statement = Change


def kind_of(statement: Change | Select, name: str) -> Kind:
    """The kind of a named value: as declared, else the column's, else an integer (times and counts are)."""
    return statement.types.get(name) or statement.table.columns.get(name) or "int"


def values_of(statement: Change | Select) -> tuple[str, ...]:
    """The names of all values that a request brings."""
    after = statement.after.names if isinstance(statement, Insert) and statement.after else ()
    return tuple(dict.fromkeys(statement.names + after))


def substitute(text: str, spell: Callable[[str], str]) -> str:
    """Every `:name` in SQL text, as `spell` spells it."""
    return _NAMED.sub(lambda match: spell(match.group(1)), text)
