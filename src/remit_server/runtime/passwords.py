"""People's passwords: argon2id, off the event loop, few at a time (each costs memory, so a queue is a defence)."""

from __future__ import annotations

import asyncio
import os
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION

from remit_server.errors import TemporarilyUnavailable

R = TypeVar("R")
WAITING = 64


def _of_nobody(hasher: PasswordHasher) -> str:
    """A PHC string that no password matches, with this hasher's cost: chance in place of a hash."""
    salt, chance = (
        b64encode(os.urandom(length)).rstrip(b"=").decode() for length in (hasher.salt_len, hasher.hash_len)
    )
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${cost}${salt}${chance}"


class Passwords:
    def __init__(self, *, threads: int = 2) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=46 * 1024, parallelism=1)  # OWASP's argon2id profile
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="remit-argon2")
        self._waiting = 0
        self._nobody = _of_nobody(self._hasher)

    async def hash(self, password: str) -> str:
        """A PHC string."""
        return await self._run(self._hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password is right. Somebody who is not there takes as long as somebody who is."""
        right = await self._run(self._check, stored or self._nobody, password)
        return right and stored is not None

    def _check(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, function: Callable[..., R], *args: str) -> R:
        if self._waiting >= WAITING:
            raise TemporarilyUnavailable(detail="too many passwords are being checked", headers={"Retry-After": "2"})
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function, *args)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
