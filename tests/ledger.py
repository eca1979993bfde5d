"""Every behaviour that Remit promises: an id, where the promise comes from, and the promise in a sentence.

A test that proves one names its id: `@proves("attack.refresh-replay")`. tests/architecture/test_ledger.py holds the two
against each other: a promise without a test and a test without a promise both fail.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest


class Promise(NamedTuple):
    source: str
    sentence: str


LEDGER: dict[str, Promise] = {
    # The house
    "house.rules-are-pure": Promise(
        "docs/adr/0001", "A rule depends on its arguments only: no clock, no randomness, no environment, no I/O."
    ),
    "house.one-guess": Promise(
        "docs/adr/0001",
        "An endpoint is in the file named after its URL's last word, a grant in the one named after its type.",
    ),
    "house.one-way-out": Promise(
        "docs/adr/0001", "Every request that the server makes goes through runtime/outbound.py."
    ),
    "house.reads-the-same-everywhere": Promise(
        "docs/adr/0003", "No tracked file names a path of one machine or a host that served a package."
    ),
    "house.locks-have-hashes": Promise("docs/adr/0003", "Every dependency is pinned with its hash."),
    "house.readme-is-true": Promise(
        "README.md", "The commands, links and programs that the documents show exist and compile."
    ),
}


def proves(*ids: str) -> pytest.MarkDecorator:
    """Marks a test, class or module (`pytestmark`) with the promises it proves."""
    return pytest.mark.proves(*ids)
