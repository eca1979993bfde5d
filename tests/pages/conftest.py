"""An administrator at the console, and a small store of relations to look at."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.fixtures.browser import Browser
from tests.fixtures.house import House
from tests.fixtures.relations import put_store

from remit_server.rules.relations.model import parse

STORE = "01JDB4Z3T8Q7W2K9M5N6P0R1S2"
HOME = f"/console/relations/{STORE}"
MODEL = """model
  schema 1.1

type user

type group
  relations
    define member: [user, group#member]

type folder
  relations
    define parent: [folder]
    define viewer: [user, user:*, group#member] or viewer from parent

type document
  relations
    define parent: [folder]
    define owner: [user]
    define shut_out: [user]
    define viewer: ([user with until, group#member] or owner or viewer from parent) but not shut_out

condition until(now: timestamp, end: timestamp) {
  now < end
}
"""
TUPLES = (
    "document:plan owner user:bob",
    "document:plan parent folder:q3",
    "folder:q3 viewer group:eng#member",
    "group:eng member user:ada",
)


@pytest.fixture
async def console(house: House) -> Browser:
    """An administrator, and a store with a few tuples."""
    await put_store(house.store, STORE, parse(MODEL), *TUPLES, now=house.clock.now())
    return await administrator(house)


async def administrator(house: House) -> Browser:
    user = await house.store.users.by_email("ada@example.com")
    assert user is not None
    await house.store.commit(house.store.users.put(replace(user, administrator=True)))
    return await house.sign_in()
