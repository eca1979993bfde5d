"""Marks that stand for a need are turned into it here (tests/needs.py)."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from tests.fixtures.house import any_house, house  # noqa: F401 - fixtures for every test
from tests.needs import need

pytest_plugins = [
    "tests.fixtures.databases",
    "tests.fixtures.nodes",
    "tests.fixtures.openfga_server",
    "tests.fixtures.proxy",
    "tests.fixtures.vault",
]

NEEDED = {"browser": ("chromium",), "node": ("node", "node-clients")}

MEMORY, ENOUGH = Path("/dev/shm"), 8 * 2**30
"""Where Linux keeps files in memory, and how many bytes must be free there."""


def pytest_configure() -> None:
    """Databases of tests lie in memory where there is enough: each flushes as in earnest, and on a disk all of them together
    would do little but wait. A `kill -9` loses nothing there either."""
    if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ENOUGH:
        os.environ["TMPDIR"] = str(MEMORY)  # for the workers and all that the tests start
        tempfile.tempdir = None
    gc.disable()


def pytest_collection_finish() -> None:
    """What was collected stays: the garbage collector need not look through some thousand tests over and over."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
    gc.enable()


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark, needs in NEEDED.items():
        if item.get_closest_marker(mark):
            for name in needs:
                need(name)
