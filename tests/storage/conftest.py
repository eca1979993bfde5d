"""A store over each database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from tests.fixtures.key_services import (  # noqa: F401 - fixtures
    aws,
    google,
    google_server,
    liar,
    moto_server,
    openbao,
    openbao_server,
)

from remit_server.storage.barrier import Master
from remit_server.storage.open import open_store
from remit_server.storage.store import Store

MASTER = Master(bytes(range(32)))
NOW = 1_800_000_000

Open = Callable[[], Awaitable[Store]]


@pytest.fixture
async def open_(database_url: str) -> AsyncIterator[Open]:
    """Opens the test's database once more, as another process would; all are closed in the end."""
    stores: list[Store] = []

    async def open_one() -> Store:
        stores.append(await open_store(database_url, MASTER, NOW))
        return stores[-1]

    yield open_one
    for store in stores:
        await store.close()


@pytest.fixture
async def store(open_: Open) -> Store:
    return await open_()
