"""From the words of the command line to a keeper of the master key."""

from __future__ import annotations

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from pathlib import Path
from typing import Final

from remit_server.errors import ConfigurationError
from remit_server.storage.barrier import Master
from remit_server.storage.directory import own_directory, sync_directory
from remit_server.storage.keepers import Keeper
from remit_server.storage.keepers.aws_kms import AwsKms
from remit_server.storage.keepers.gcp_kms import GcpKms
from remit_server.storage.keepers.vault_transit import VaultTransit

KEEPERS: Final = "file:PATH, env:NAME, aws-kms:KEY, gcp-kms:KEY or vault-transit:MOUNT/KEY"


def named(words: str) -> Keeper:
    """The keeper that `scheme:rest` names (`KEEPERS`). Asks nobody yet. Raises `ConfigurationError`."""
    scheme, _, rest = words.partition(":")
    match scheme:
        case _ if not rest:
            pass
        case "file":
            return _in_file(Path(rest))
        case "env":
            return _decoded(os.environ.get(rest, ""), rest)
        case "aws-kms":
            return AwsKms(rest)
        case "gcp-kms":
            return GcpKms(rest)
        case "vault-transit":
            return VaultTransit(rest)
    raise ConfigurationError(f"--master takes {KEEPERS}")  # not the words: they may be a key


def new_key_file(path: Path) -> None:
    """Make a master key, durably and for its owner only, where there is none."""
    own_directory(path.parent)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise ConfigurationError(f"the master key {path} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(urlsafe_b64encode(os.urandom(32)).rstrip(b"=") + b"\n")
        file.flush()
        os.fsync(file.fileno())
    sync_directory(path.parent)


def _in_file(path: Path) -> Master:
    try:
        return _decoded(path.read_text("ascii"), str(path))
    except OSError as error:
        raise ConfigurationError(f"the master key {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} does not hold 32 bytes as base64url (43 characters)") from error


def _decoded(text: str, where: str) -> Master:
    text = text.strip()
    try:
        return Master(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (Error, ValueError, ConfigurationError) as error:
        raise ConfigurationError(f"{where} does not hold 32 bytes as base64url (43 characters)") from error
