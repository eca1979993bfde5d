"""OpenFGA's sample stores: every assertion of theirs holds with our language and our reasoning."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.ledger import proves

from remit_server.management import relation_tests

HERE = Path(__file__).parent
STORES = sorted(HERE.rglob("*.fga.yaml"))


@proves("relations.sample-stores")
@pytest.mark.parametrize("file", STORES, ids=[str(file.relative_to(HERE)) for file in STORES])
async def test_a_sample_store(file: Path) -> None:
    found = await relation_tests.tested(file)
    assert found.failed == ()
    assert found.passed


def test_all_of_them() -> None:
    assert len(STORES) == 32
