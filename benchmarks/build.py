"""Time the stages of a build over the number of equations, on chains of generated equations.

    python -m benchmarks.build                     10 to 400 equations
    python -m benchmarks.build --quick             up to 100, one sample each
    python -m benchmarks.build --counts 50,100 --limit 30

Shows each stage's seconds and how they grow: the exponent p in seconds ~ equations^p, over the
larger counts; 1 is linear.  Reading and deriving 200 equations together should take less than 2 s.
Each sample runs in a process of its own, which is ended after --limit seconds: the stages that it
had ended are shown, and larger counts stop at the same stage.  Results go to benchmarks/results/.

Exit status: 0 measured, 1 a process failed or a stage took longer than the limit, 2 usage.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.cpu_parts import one_thread

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = 1
COUNTS = (10, 25, 50, 100, 200, 400)
DERIVATION = (200, 2.0)
"""So many equations are to be read and derived in less than so many seconds."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the results; gives the exit status."""
    options = _parser().parse_args(arguments)
    core = one_thread.pin()
    from benchmarks.cpu_parts import files, machine
    from benchmarks.cpu_parts.build_report import draw, text

    counts = options.counts or (COUNTS[:4] if options.quick else COUNTS)
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "date": machine.today(),
        "machine": machine.describe(core),
        "versions": machine.versions(),
        "quick": options.quick,
        "limit_seconds": options.limit,
        **measure(sorted(set(counts)), 1 if options.quick else 3, options.limit),
    }
    document["derivation"] = derivation(document["seconds"])
    table = text(document)
    print(table, end="")
    for path in files.write(document, options.output, "build", table, draw(document)):
        print(f"wrote {path}", file=sys.stderr)
    return int(bool(document["failures"]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.build",
        description="Time the stages of a build over the number of equations.",
    )
    parser.add_argument("--quick", action="store_true", help="fewer equations and samples")
    parser.add_argument("--counts", type=_counts, help="numbers of equations, such as 10,100")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for one build")
    parser.add_argument(
        "--output", type=Path, default=ROOT / "benchmarks" / "results", help="folder of the results"
    )
    return parser


def _counts(given: str) -> tuple[int, ...]:
    counts = tuple(int(part) for part in given.split(","))
    if min(counts) < 2:
        raise argparse.ArgumentTypeError("a chain has at least 2 equations")
    return counts


def measure(counts: Sequence[int], samples: int, limit: float) -> dict[str, Any]:
    """Medians of each stage by count, and what failed or took too long.

    Returns:
        "seconds": stage -> count -> seconds; "failures": a line each.
    """
    from benchmarks.cpu_parts.chains import STAGES

    seconds: dict[str, dict[int, float]] = {stage: {} for stage in STAGES}
    failures: list[str] = []
    reach = len(STAGES)  # stages that are still tried; a larger count does not get further
    for count in counts:
        print(f"{count} equations", file=sys.stderr, flush=True)
        found: dict[str, list[float]] = {}
        for _ in range(samples):
            stages, failure = _build(count, limit, reach)
            for stage, value in stages.items():
                found.setdefault(stage, []).append(value)
            if failure is not None:
                failures.append(f"{count} equations: {failure}")
                reach = min(reach, len(stages))
                break
        for stage, values in found.items():
            seconds[stage][count] = statistics.median(values)
    return {"seconds": seconds, "failures": failures}


def _build(count: int, limit: float, reach: int) -> tuple[dict[str, float], str | None]:
    """The seconds of the first `reach` stages of one build in a child process, and what failed."""
    from benchmarks.cpu_parts.chains import STAGES

    command = [sys.executable, "-m", "benchmarks.cpu_parts.chains", str(count), str(reach)]
    environment = os.environ | one_thread.ENVIRONMENT
    failure = None
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit, check=False, cwd=ROOT,
            env=environment,
        )  # fmt: skip
        output = done.stdout
        if done.returncode:
            failure = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
    except subprocess.TimeoutExpired as error:
        printed = error.stdout or b""
        output = printed.decode() if isinstance(printed, bytes) else printed
        failure = "ended"
    stages = dict(json.loads(line) for line in output.splitlines() if line.endswith("]"))
    if failure == "ended":
        stage = list(STAGES)[len(stages)]
        failure = f"{stage} was ended, {limit:g} s after the start"
    return stages, failure


def derivation(seconds: dict[str, dict[int, float]]) -> dict[str, Any] | None:
    """Reading and deriving beside what is wanted; None where that count was not measured."""
    count, wanted = DERIVATION
    if count not in seconds["derive"]:
        return None
    took = seconds["read"][count] + seconds["derive"][count]
    return {"equations": count, "seconds": took, "target": wanted, "reached": took < wanted}


if __name__ == "__main__":
    sys.exit(main())
