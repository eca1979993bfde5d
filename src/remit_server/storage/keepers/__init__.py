"""The port to whoever keeps the master key, which wraps the data keys: we ourselves, or a key service.

    our own 32 bytes, in a file or a variable     barrier.Master
    aws-kms:KEY                                   aws_kms.AwsKms
    gcp-kms:projects/…/cryptoKeys/KEY             gcp_kms.GcpKms
    vault-transit:MOUNT/KEY                       vault_transit.VaultTransit

A key service sees a data key of 32 bytes when it is made and when a process starts or hears of a new one, never a row, and
never on the way of a request. Each is called through its own client library, on a thread of its own, with a deadline.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Final, Protocol, TypeVar

from remit_server.errors import ConfigurationError, IntegrityError

T = TypeVar("T")

CONNECT_SECONDS: Final = 3
READ_SECONDS: Final = 5
DEADLINE_SECONDS: Final = 15
"""Of one call with all that its library does by itself: finding credentials, trying again."""


class Keeper(Protocol):
    """Wraps data keys, each bound to its id: what is wrapped under one id does not open under another."""

    @property
    def id(self) -> str:
        """A public name of the master key, always spelled alike: `data_keys.wrapped_by`."""

    async def wrap(self, data_key: bytes, key_id: str) -> bytes:
        """Raises `KeeperUnavailable`."""

    async def unwrap(self, wrapped: bytes, key_id: str) -> bytes:
        """Raises `IntegrityError` for bytes that this master key did not wrap for this id, `KeeperUnavailable` when it cannot
        be asked."""


class KeeperUnavailable(ConfigurationError):
    """The key service cannot be reached, refuses us, or answers what it should not. Says nothing about stored bytes."""


async def wrap_surely(keeper: Keeper, data_key: bytes, key_id: str) -> bytes:
    """Wrap, and see what it is worth before anything rests on it: it must open, and for its own id only. A permission to
    encrypt but not to decrypt, or a service that passes over the context, would show on the next start, too late."""
    wrapped = await keeper.wrap(data_key, key_id)
    if await keeper.unwrap(wrapped, key_id) != data_key:
        raise IntegrityError(f"{keeper.id} opens a data key as another")
    try:
        await keeper.unwrap(wrapped, "0" * len(key_id))
    except IntegrityError:
        return wrapped
    raise IntegrityError(f"{keeper.id} does not bind a data key to its id: it opened one under another's")


async def apart(call: Callable[[], T], keeper: str, expected: tuple[type[Exception], ...] = ()) -> T:
    """The result of a blocking call, off the event loop. A thread cannot be stopped, so after the deadline it is left to
    itself: it is a daemon, and keeps no process from ending.

    Raises what is `expected` of the library as it is, and `KeeperUnavailable` for anything else and after the deadline.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = call()
        except BaseException as raised:  # noqa: BLE001 - told to whoever waits
            error = raised
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, result, error)

    Thread(target=run, name=keeper, daemon=True).start()
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await done
    except TimeoutError as error:
        raise KeeperUnavailable(f"{keeper} does not answer within {DEADLINE_SECONDS} seconds") from error
    except Exception as error:
        if isinstance(error, (ConfigurationError, *expected)):
            raise
        # A library that stumbles over what it was sent may raise anything.
        raise KeeperUnavailable(f"{keeper} answers what its library cannot read: {reason(error)}") from error


def hush(library: str) -> None:
    """Whatever the log's level: at debug these libraries write down what they carry, and that is data keys."""
    logging.getLogger(library).setLevel(logging.WARNING)


def of_right_length(data_key: bytes, keeper: str) -> bytes:
    if len(data_key) != 32:
        raise IntegrityError(f"what {keeper} opened is not a data key")
    return data_key


def reason(error: BaseException) -> str:
    """A library's words for the operator's terminal: one line, no control characters, short."""
    text = " ".join(str(error).split())
    return "".join(c if c.isprintable() else "?" for c in text)[:240] or type(error).__name__


def missing(extra: str, error: ImportError) -> ConfigurationError:
    return ConfigurationError(
        f"{extra}: needs a client library that is not here ({error.name}): pip install 'remit[{extra}]'"
    )
