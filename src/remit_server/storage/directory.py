"""Directories that keep what was put there."""

from __future__ import annotations

import os
from pathlib import Path

from remit_server.errors import ConfigurationError


def own_directory(path: Path) -> None:
    """A directory for its owner only, durably there. One that exists is left as it is."""
    try:
        path.mkdir(parents=True, mode=0o700)
        sync_directory(path.parent)
    except FileExistsError:
        pass
    except OSError as error:
        raise ConfigurationError(f"the directory {path} cannot be made: {error.strerror}") from error


def sync_directory(path: Path) -> None:
    """A new name is on disk only when its directory is."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
