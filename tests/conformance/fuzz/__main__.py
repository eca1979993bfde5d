"""python -m tests.conformance.fuzz [N] [SEED]: N cases, 10,000 unless told; every disagreement is shown as small as it goes."""

from __future__ import annotations

import secrets
import sys
import time

from tests.conformance.fuzz.cases import case
from tests.conformance.fuzz.compare import Outcome, compare
from tests.conformance.fuzz.shrink import told

AT_ONCE = 250


def main(count: int, seed: str) -> int:
    print(f"seed {seed}", flush=True)
    begun, total = time.monotonic(), Outcome()
    for first in range(0, count, AT_ONCE):
        seeds = [f"{seed}:{number}" for number in range(first, min(count, first + AT_ONCE))]
        found = compare([case(each) for each in seeds], seeds)
        for each in found.disagreements:
            print(told(case(seeds[each.place]), each, seeds[each.place]), flush=True)
        total += found
        print(f"{time.monotonic() - begun:6.0f} s: {total}", flush=True)
    return bool(total.disagreements)


if __name__ == "__main__":
    sys.exit(
        main(
            int(sys.argv[1]) if len(sys.argv) > 1 else 10_000,
            sys.argv[2] if len(sys.argv) > 2 else secrets.token_hex(4),
        )
    )
