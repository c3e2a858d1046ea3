"""What sequences of different length and restarts cost, in the NumPy and the C module.

    python -m benchmarks.sequences              T=1000, B=32, H=D=64 (a minute or two)
    python -m benchmarks.sequences --quick      T=50, in seconds

One process, one core, one thread, float32; a training step is forward and backward with the
gradients of everything.  A ratio is the time of a step with `lengths` drawn uniformly from 1 to T,
or with `restart` at 5 % of the steps of each row, over that of the padded step without; they are
timed in turn.  Results go to benchmarks/results/ as JSON and as a table.

Exit status: 0 measured, 2 usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.cpu_parts import one_thread

__all__ = ["main"]

CELLS = ("lstm", "peephole", "gru_reset_after")
TARGETS = ("numpy", "c")
SHARE = 0.05


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the results; gives the exit status."""
    options = _parser().parse_args(arguments)
    core = one_thread.pin()
    from benchmarks.cpu_parts.files import write

    document = _run(options.quick, core)
    table = text(document)
    print(table, end="")
    for path in write(document, options.output, "sequences", table):
        print(f"wrote {path}", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    from benchmarks.cpu_parts.files import RESULTS

    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sequences",
        description="What lengths and restarts cost a training step, over the padded one.",
    )
    parser.add_argument("--quick", action="store_true", help="short sequences and few rounds")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    return parser


def _run(quick: bool, core: int | None) -> dict[str, Any]:
    import lstmgen
    from benchmarks.cpu_parts import machine
    from benchmarks.cpu_parts.clock import Effort, in_turn, ratio
    from benchmarks.cpu_parts.problem import make_problem
    from benchmarks.cpu_parts.sizes import Size

    effort = Effort(3, 0.005, 1.0) if quick else Effort(11, 0.02, 15.0)
    size = Size("sequences", 50 if quick else 1000, 32, 64, 64)
    races = []
    for cell in CELLS:
        problem = make_problem(cell, lstmgen.load(cell).parameters, size, "float32")
        for target in TARGETS:
            print(f"{cell} {target} {size}", file=sys.stderr, flush=True)
            module = lstmgen.compile(cell, target)
            samples = in_turn(_calls(module, problem), effort)
            races += [
                {"cell": cell, "target": target, "with": way}
                | {"ratio": ratio(samples[way], samples["padded"])}
                for way in ("lengths", "restart")
            ]
    return {
        "schema": 1,
        "date": machine.today(),
        "machine": machine.describe(core),
        "versions": machine.versions(),
        "quick": quick,
        "size": size.symbols(),
        "races": races,
    }


def _calls(module: Any, problem: Any) -> dict[str, Callable[[], object]]:
    import numpy as np

    size, random = problem.size, np.random.default_rng(0)
    given: dict[str, dict[str, Any]] = {
        "padded": {},
        "lengths": {"lengths": random.integers(1, size.T, size.B, endpoint=True)},
        "restart": {"restart": random.random((size.T, size.B)) < SHARE},
    }

    def call(options: dict[str, Any]) -> Callable[[], object]:
        tape: Any = None

        def train() -> object:
            nonlocal tape
            y, _, tape = module.forward(problem.params, problem.x, reuse=tape, **options)
            return y, module.backward(problem.params, tape, problem.dy)

        return train

    return {way: call(options) for way, options in given.items()}


def text(document: dict[str, Any]) -> str:
    """The ratios, a line for each cell and target."""
    size = ", ".join(f"{name}={value}" for name, value in document["size"].items())
    found = {(r["cell"], r["target"], r["with"]): r["ratio"]["median"] for r in document["races"]}
    lines = [
        "A training step with lengths (uniform, 1 to T) or restarts (5 % of the steps) over one",
        f"without, float32, {size}; {document['machine']['processor']}, {document['date']}",
        "",
        f"{'cell':16} {'target':8} {'lengths':>8} {'restart':>8}",
    ]
    for cell in CELLS:
        for target in TARGETS:
            both = (found[cell, target, way] for way in ("lengths", "restart"))
            lines.append(f"{cell:16} {target:8} " + " ".join(f"{r:8.2f}" for r in both))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
