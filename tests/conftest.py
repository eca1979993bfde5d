"""Marks that stand for a need are turned into it here (tests/needs.py)."""

from __future__ import annotations

import pytest
from tests.fixtures.house import any_house, house  # noqa: F401 - fixtures for every test
from tests.needs import need

pytest_plugins = ["tests.fixtures.databases", "tests.fixtures.nodes", "tests.fixtures.proxy", "tests.fixtures.vault"]

NEEDED = {"browser": ("chromium",), "node": ("node", "node-clients")}


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark, needs in NEEDED.items():
        if item.get_closest_marker(mark):
            for name in needs:
                need(name)
