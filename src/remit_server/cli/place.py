"""Where the data are and which key opens them: the options that every command shares."""

from __future__ import annotations

import getpass
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click
from msgspec import Struct

from remit_server.errors import ConfigurationError
from remit_server.runtime.clock import SystemClock
from remit_server.storage.keepers import Keeper
from remit_server.storage.keepers.named import KEEPERS, named, new_key_file
from remit_server.storage.open import open_store, wrapped_keys
from remit_server.storage.store import Store

P = ParamSpec("P")
R = TypeVar("R")

DATABASE_FILE, KEY_FILE = "remit.db", "master.key"


class Place(Struct, frozen=True):
    """A data directory, a database URL, or both, and who keeps the master key. The directory holds the database file and, where
    nothing else is said, the master key."""

    data: Path | None
    database: str
    """`sqlite:PATH` or `postgresql://…`"""
    keeper: str | None = None
    """As `named` reads it; None leaves it to the variables and the directory."""

    @property
    def sqlite(self) -> Path | None:
        """The database file, where the database is one."""
        scheme, _, path = self.database.partition(":")
        return Path(path) if scheme == "sqlite" else None

    def must_exist(self) -> None:
        """Raises `ConfigurationError` for a database file that is not there: only `serve` and `apply` make one."""
        if self.sqlite is not None and not self.sqlite.exists():
            raise ConfigurationError(f"there is no database at {self.sqlite}; `remit serve` makes one")

    @property
    def key_file(self) -> Path | None:
        """The file of the master key, where it is in one."""
        if self.keeper:
            scheme, _, rest = self.keeper.partition(":")
            return Path(rest) if scheme == "file" else None
        if os.environ.get("REMIT_MASTER_KEY"):
            return None
        named = os.environ.get("REMIT_MASTER_KEY_FILE")
        return Path(named) if named else self.data and self.data / KEY_FILE

    def master(self, *, create: bool = False) -> Keeper:
        """The master key: what `--master` names, or REMIT_MASTER_KEY, the file that REMIT_MASTER_KEY_FILE names, or `master.key`
        in the data directory, which `create` makes when it is not there. Raises `ConfigurationError`."""
        if self.keeper:
            return named(self.keeper)
        if os.environ.get("REMIT_MASTER_KEY"):
            return named("env:REMIT_MASTER_KEY")
        path = self.key_file
        if path is None:
            raise ConfigurationError(
                "PostgreSQL without a data directory needs REMIT_MASTER_KEY or REMIT_MASTER_KEY_FILE (32 random bytes, "
                "base64url; every node the same), or a key service: --master"
            )
        if create and not os.environ.get("REMIT_MASTER_KEY_FILE"):
            new_key_file(path)
        return named(f"file:{path}")

    @asynccontextmanager
    async def store(self, *, create: bool = False) -> AsyncIterator[Store]:
        """The store, closed in the end. Only `create` makes a new one."""
        store = await self.open(create=create)
        try:
            yield store
        finally:
            await store.close()

    async def open(self, *, create: bool = False) -> Store:
        if not create:
            self.must_exist()
        # A key is made for a new database only: beside an old one it would open nothing, and hide that the right one is lost.
        lost = create and self.key_file is not None and not self.key_file.exists()
        begun = lost and not await wrapped_keys(self.database)
        return await open_store(self.database, self.master(create=begun), SystemClock().now())


def place_of(data: Path | None, database: str | None, keeper: str | None = None) -> Place:
    """PostgreSQL needs no directory; SQLite's is `remit-data` unless another is named."""
    if database is not None and not database.startswith(("sqlite:", "postgresql:", "postgres:")):
        raise ConfigurationError("the database must be sqlite:PATH or postgresql://…")
    if database is None:
        data = data or Path("remit-data")
        database = f"sqlite:{data / DATABASE_FILE}"
    elif database.startswith("sqlite:") and data is None:
        data = Path(database.partition(":")[2]).parent
    return Place(data, database, keeper)


def with_place(command: Callable[Concatenate[Place, P], R]) -> Callable[..., R]:
    """Adds `--data`, `--database` and `--master`; the command gets a `Place` first."""

    @click.option(
        "--data", type=click.Path(file_okay=False, path_type=Path), envvar="REMIT_DATA",
        help="Directory of the database file and the master key.  [default: remit-data]",
    )  # fmt: skip
    @click.option(
        "--database", envvar="REMIT_DATABASE", help="postgresql://… or sqlite:PATH instead of a file in --data."
    )
    @click.option(
        "--master", "keeper", envvar="REMIT_MASTER",
        help=f"Who keeps the master key: {KEEPERS}.  [default: a file in --data]",
    )  # fmt: skip
    @wraps(command)
    def placed(*args: Any, data: Path | None, database: str | None, keeper: str | None, **kwargs: Any) -> R:
        return command(place_of(data, database, keeper), *args, **kwargs)

    return placed


def operator() -> str:
    """Who types: the login name; in a container whose user has none, its number. Nobody may fail to stop an agent for want of
    a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # OSError from Python 3.13
        return f"uid {os.getuid()}"
