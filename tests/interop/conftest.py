"""Servers that other people's clients meet: one over TLS, one on plain loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.interop.live import Live, Trust, live


@pytest.fixture(scope="session")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust.made(tmp_path_factory.mktemp("trust"))


@pytest.fixture(scope="module")
async def over_tls(trust: Trust, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    """`https://localhost:<port>/`, with a slash at the end of the issuer; registration is open."""
    async with live(tmp_path_factory.mktemp("tls"), trust, registration="open") as server:
        yield server


@pytest.fixture(scope="module")
async def on_loopback(trust: Trust, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    """`http://127.0.0.1:<port>`, without one; registration is open."""
    async with live(tmp_path_factory.mktemp("loopback"), trust, tls=False, registration="open") as server:
        yield server
