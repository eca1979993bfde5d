"""A client of /stores in a house of its own, on either database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.fixtures.house import House
from tests.fixtures.openfga import Fga, registered, speaking

DOCS = """
model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type doc
  relations
    define blocked: [user]
    define viewer: [user, user:*, group#member, user with fresh] but not blocked
condition fresh(age: int) {
  age < 10
}
"""


@pytest.fixture
async def fga(any_house: House) -> AsyncIterator[Fga]:
    """With a store and a model."""
    await registered(any_house)
    fga = await speaking(any_house)
    async with fga.http:
        await fga.begin()
        await fga.define(DOCS)
        yield fga
