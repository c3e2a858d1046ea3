"""python -m tests.mutants --target numpy --cells 12 --count 12 --seed 1

Random token mutants of many cells' modules: how many are caught, how many change nothing that is
computed, and which survive.  The exit code is 1 if one survives.
"""

from __future__ import annotations

import argparse
import collections
import random
import sys

from lstmgen.library.loading import names

from .running import outcomes


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("--target", default="numpy")
    parser.add_argument("--cells", default="12", help="how many, or names with commas")
    parser.add_argument("--count", type=int, default=12, help="mutants of each")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.cells.isdigit():
        chosen = random.Random(given.seed).sample(sorted(names()), int(given.cells))
    else:
        chosen = given.cells.split(",")
    total: collections.Counter[str] = collections.Counter()
    for name in chosen:
        counted: collections.Counter[str] = collections.Counter()
        for outcome in outcomes(name, given.target, given.count, given.seed):
            counted[outcome.verdict] += 1
            if outcome.verdict != "caught":
                print(f"  {name}: {outcome.verdict}: {outcome.mutant.change}", flush=True)
        print(f"{name}: {dict(sorted(counted.items()))}", flush=True)
        total += counted
    print(f"{given.target}: {sum(total.values())} mutants, {dict(sorted(total.items()))}")
    return 1 if total["survived"] else 0


if __name__ == "__main__":
    sys.exit(main())
