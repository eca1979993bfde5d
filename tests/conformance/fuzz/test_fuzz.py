"""Remit's reasoning against the engine inside OpenFGA's own tool, on models and tuples that nobody has thought of.

REMIT_FUZZ=<seed> repeats a run; `python -m tests.conformance.fuzz` goes on for longer.
"""

from __future__ import annotations

import os
import secrets

import pytest
from tests.conformance.fuzz.cases import case
from tests.conformance.fuzz.compare import compare
from tests.conformance.fuzz.shrink import told
from tests.ledger import proves

CASES = 250


@proves("relations.openfga-fuzz")
def test_two_engines_agree(capsys: pytest.CaptureFixture[str]) -> None:
    seed = os.environ.get("REMIT_FUZZ") or secrets.token_hex(4)
    seeds = [f"{seed}:{number}" for number in range(CASES)]
    found = compare([case(each) for each in seeds], seeds)
    with capsys.disabled():
        print(f"\nREMIT_FUZZ={seed}: {found}")
    shown = [told(case(seeds[each.place]), each, seeds[each.place]) for each in found.disagreements[:3]]
    assert not shown, f"REMIT_FUZZ={seed}\n" + "\n".join(shown)
    assert len(found.refused) < CASES / 20
    assert sum(found.excused.values()) < found.asked / 50
