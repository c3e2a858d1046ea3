"""One thread against two, ours and torch's, in a process that is not kept on one core.

python -m benchmarks.cpu_parts.two_threads --cell lstm --sizes cdef
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

__all__ = ["measure_apart"]


def measure_apart(
    cell: str, sizes: Sequence[str], rounds: int, timeout: float = 300
) -> list[dict[str, Any]]:
    """A record for each size, contender and number of threads."""
    command = [sys.executable, "-m", "benchmarks.cpu_parts.two_threads", "--cell", cell]
    command += ["--sizes", "".join(sizes), "--rounds", str(rounds)]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        timeout=timeout,
        check=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def _measure(cell: str, names: str, rounds: int) -> list[dict[str, Any]]:
    import lstmgen
    from benchmarks.limits.results import spread

    from .clock import Effort, in_turn
    from .kinds import KINDS
    from .problem import make_problem
    from .sizes import SIZES

    records = []
    shapes = lstmgen.load(cell).parameters
    kinds = [k for k in (KINDS["ours"], KINDS["torch"]) if k.missing() is None and k.computes(cell)]
    for name in names:
        problem = make_problem(cell, shapes, SIZES[name], "float32")
        # One contender after the other, as torch's second thread goes on spinning for a while.
        samples = {}
        for kind in kinds:
            made = kind.make(problem)

            def call(threads: int, made: Any = made, kind: str = kind.name) -> Any:
                if kind == "torch":
                    import torch

                    torch.set_num_threads(threads)
                else:
                    made.module.set_threads(threads)
                return made.train()

            calls = {f"{kind.name} {n}": partial(call, n) for n in (1, 2)}
            samples |= in_turn(calls, Effort(rounds, 0.02, 3.0))
        for key, seconds in samples.items():
            contender, _, threads = key.partition(" ")
            records.append(
                {
                    "cell": cell,
                    "size": name,
                    "contender": contender,
                    "threads": int(threads),
                    "seconds": spread(seconds),
                }
            )
    return records


def main() -> int:
    """Measure in this process and print the JSON."""
    parser = argparse.ArgumentParser(prog="two_threads")
    parser.add_argument("--cell", required=True)
    parser.add_argument("--sizes", required=True)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # the parent is kept on one core
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    print(json.dumps(_measure(options.cell, options.sizes, options.rounds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
