"""Stores as they are opened and made."""

from __future__ import annotations

import pytest
from tests.fixtures.house import House

from remit_server.access.stores import Stores
from remit_server.storage.contract import Busy


async def test_where_the_number_of_a_new_store_is_taken_it_is_asked_for_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers are drawn from the ids: of two stores with one number there is the first only, and the other draws anew."""
    stores, client = Stores(house.store), await house.store.clients.get("web")
    assert client is not None
    with monkeypatch.context() as patch:
        patch.setattr("remit_server.storage.groups.relations.number_of", lambda _: 1)
        first = await stores.create(house.machines, client, "shop")
        with pytest.raises(Busy):
            await stores.create(house.machines, client, "shop")
    assert await stores.create(house.machines, client, "shop") != first
