"""Where the data are and which key opens them: the options that every command shares."""

from __future__ import annotations

import getpass
import os
from base64 import urlsafe_b64decode
from binascii import Error
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click
from msgspec import Struct

from remit_server.errors import ConfigurationError
from remit_server.runtime.clock import SystemClock
from remit_server.runtime.ids import base64url
from remit_server.storage.barrier import Master
from remit_server.storage.open import open_store
from remit_server.storage.store import Store

P = ParamSpec("P")
R = TypeVar("R")

DATABASE_FILE, KEY_FILE = "remit.db", "master.key"


class Place(Struct, frozen=True):
    """A data directory, a database URL, or both. The directory holds the database file and the master key."""

    data: Path | None
    database: str
    """`sqlite:PATH` or `postgresql://…`"""

    @property
    def sqlite(self) -> Path | None:
        """The database file, where the database is one."""
        scheme, _, path = self.database.partition(":")
        return Path(path) if scheme == "sqlite" else None

    def must_exist(self) -> None:
        """Raises `ConfigurationError` for a database file that is not there: only `serve` and `apply` make one."""
        if self.sqlite is not None and not self.sqlite.exists():
            raise ConfigurationError(f"there is no database at {self.sqlite}; `remit serve` makes one")

    def master(self, *, create: bool = False) -> Master:
        """The master key: REMIT_MASTER_KEY, the file that REMIT_MASTER_KEY_FILE names, or `master.key` in the data directory,
        which `create` makes when it is not there. Raises `ConfigurationError`."""
        if text := os.environ.get("REMIT_MASTER_KEY"):
            return _decoded(text, "REMIT_MASTER_KEY")
        named = os.environ.get("REMIT_MASTER_KEY_FILE")
        path = Path(named) if named else self.data and self.data / KEY_FILE
        if path is None:
            raise ConfigurationError(
                "PostgreSQL without a data directory needs REMIT_MASTER_KEY or REMIT_MASTER_KEY_FILE: 32 random bytes, "
                "base64url; every node the same"
            )
        if create and not named:
            _made(path)
        try:
            return _decoded(path.read_text("ascii"), str(path))
        except OSError as error:
            raise ConfigurationError(f"the master key {path} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"{path} does not hold 32 bytes as base64url (43 characters)") from error

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
        if create and self.data is not None:
            try:
                self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as error:
                raise ConfigurationError(f"the directory {self.data} cannot be made: {error.strerror}") from error
        return await open_store(self.database, self.master(create=create), SystemClock().now())


def place_of(data: Path | None, database: str | None) -> Place:
    """PostgreSQL needs no directory; SQLite's is `remit-data` unless another is named."""
    if database is None:
        data = data or Path("remit-data")
        database = f"sqlite:{data / DATABASE_FILE}"
    elif database.startswith("sqlite:") and data is None:
        data = Path(database.partition(":")[2]).parent
    return Place(data, database)


def with_place(command: Callable[Concatenate[Place, P], R]) -> Callable[..., R]:
    """Adds `--data` and `--database`; the command gets a `Place` first."""

    @click.option(
        "--data", type=click.Path(file_okay=False, path_type=Path), envvar="REMIT_DATA",
        help="Directory of the database file and the master key.  [default: remit-data]",
    )  # fmt: skip
    @click.option(
        "--database", envvar="REMIT_DATABASE", help="postgresql://… or sqlite:PATH instead of a file in --data."
    )
    @wraps(command)
    def placed(*args: Any, data: Path | None, database: str | None, **kwargs: Any) -> R:
        return command(place_of(data, database), *args, **kwargs)

    return placed


def operator() -> str:
    """Who types: the login name; in a container whose user has none, its number. Nobody may fail to stop an agent for want of
    a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # OSError from Python 3.13
        return f"uid {os.getuid()}"


def _decoded(text: str, where: str) -> Master:
    text = text.strip()
    try:
        return Master(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (Error, ValueError, ConfigurationError) as error:
        raise ConfigurationError(f"{where} does not hold 32 bytes as base64url (43 characters)") from error


def _made(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise ConfigurationError(f"the master key {path} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(base64url(os.urandom(32)) + "\n")
        file.flush()
        os.fsync(file.fileno())
