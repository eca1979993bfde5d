"""Who asks the vectors: a service with a token for the access API."""

from __future__ import annotations

from tests.fixtures.house import House
from tests.fixtures.openfga import Fga, registered, speaking


async def asking(house: House) -> Fga:
    await registered(house)
    pep = await speaking(house)
    pep.http.headers["content-type"] = "application/json"
    return pep
