"""Passwords: who is not there costs as much as who is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher, extract_parameters

from remit_server.runtime.passwords import Passwords

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def passwords() -> Iterator[Passwords]:
    kept = Passwords(threads=1)
    yield kept
    kept.close()


async def test_only_the_right_one_is_right(passwords: Passwords) -> None:
    stored = await passwords.hash(PASSWORD)
    assert await passwords.verify(stored, PASSWORD)
    assert not await passwords.verify(stored, PASSWORD + " ")
    assert not await passwords.verify("not a PHC string", PASSWORD)


async def test_nobody_is_checked_at_the_cost_of_somebody(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attack: to learn by the time that an answer takes which addresses have an account."""
    checked = []
    verify = PasswordHasher.verify

    def watched(self: PasswordHasher, stored: str | bytes, password: str | bytes) -> bool:
        checked.append(str(stored))
        return bool(verify(self, stored, password))

    monkeypatch.setattr(PasswordHasher, "verify", watched)
    stored = await passwords.hash(PASSWORD)
    assert not await passwords.verify(None, PASSWORD)
    (nobodys,) = checked
    assert extract_parameters(nobodys) == extract_parameters(stored)
    assert len(nobodys) == len(stored)
    with pytest.raises(Exception, match="does not match"):  # it is computed and compared, not refused as malformed
        verify(PasswordHasher(), nobodys, PASSWORD)
