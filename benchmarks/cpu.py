"""Race the generated C modules against NumPy modules, PyTorch, JAX and NumPy by hand, on one core.

    python -m benchmarks.cpu                             the usual (ten minutes)
    python -m benchmarks.cpu --quick                     fewer sizes and rounds, in two minutes
    python -m benchmarks.cpu --cells lstm,gru --sizes abc --contenders torch,jax

One process, one core, one thread, but for what two threads gain, which is measured at the end.
First all contenders must compute the same numbers in float64; then each is timed in turn, in
several rounds.  `--contenders all` has those too that are seldom measured.  Results go to
benchmarks/results/ as JSON, as a table (.txt) and as a plot (.svg), named by the machine.  The
extra `bench` installs PyTorch and JAX; a contender that is not installed is left out, with a line
that says so.
`python -m benchmarks.readme` puts the figures into README.md and docs/speed.md.

Exit status: 0 measured, 1 contenders do not compute the same, 2 usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.cpu_parts import one_thread

if TYPE_CHECKING:
    from benchmarks.cpu_parts.session import Plan

__all__ = ["main"]

RESULTS = Path(__file__).resolve().parent / "results"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the results; gives the exit status."""
    options = _parser().parse_args(arguments)
    late = one_thread.too_late()
    core = one_thread.pin()
    if late:
        print(f"{', '.join(late)}: imported before, may use more threads", file=sys.stderr)

    # NumPy is imported from here on, with one thread.
    from benchmarks.cpu_parts import report
    from benchmarks.cpu_parts.agreement import Disagreement
    from benchmarks.cpu_parts.problem import Unsuitable
    from benchmarks.cpu_parts.session import run
    from lstmgen.errors import LstmgenError

    try:
        document = run(_plan(options), core)
    except (UsageError, Unsuitable, LstmgenError) as error:
        print(f"cpu: {error}", file=sys.stderr)
        return 2
    except Disagreement as error:
        print(f"cpu: {error}; nothing more is measured", file=sys.stderr)
        return 1
    print(report.text(document), end="")
    for path in write(document, options.output):
        print(f"wrote {path}", file=sys.stderr)
    return 0


class UsageError(Exception):
    """An option's value names something that there is not."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cpu",
        description="Race the generated C modules against others on one core.",
    )
    parser.add_argument("--quick", action="store_true", help="fewer sizes and rounds")
    parser.add_argument("--cells", help="names or paths, separated by commas")
    parser.add_argument("--sizes", help="letters of the sizes, such as abc")
    parser.add_argument("--contenders", help="names, separated by commas; ours always runs")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    return parser


def _plan(options: argparse.Namespace) -> Plan:
    """What the options ask for.

    Raises:
        UsageError: there is no such size or contender.
    """
    from benchmarks.cpu_parts.clock import Effort
    from benchmarks.cpu_parts.kinds import CELLS, KINDS, USUAL
    from benchmarks.cpu_parts.session import Plan
    from benchmarks.cpu_parts.sizes import SIZES

    sizes = tuple(options.sizes or ("abc" if options.quick else SIZES))
    named = options.contenders.split(",") if options.contenders else list(USUAL)
    named = list(KINDS) if named == ["all"] else named
    for kind, names, known in (("size", sizes, SIZES), ("contender", named, KINDS)):
        for name in names:
            if name not in known:
                raise UsageError(f"there is no {kind} {name!r}; there are {', '.join(known)}")
    cells = options.cells.split(",") if options.cells else CELLS[:4] if options.quick else CELLS
    memory = [name for name in ("c" if options.quick else "d") if name in sizes]
    cells = tuple(dict.fromkeys(cells))
    threads = () if options.quick else tuple(name for name in "cdef" if name in sizes)
    return Plan(
        cells=cells,
        sizes=tuple(dict.fromkeys(sizes)),
        contenders=tuple(name for name in KINDS if name in named or name == "ours"),
        effort=Effort(5, 0.005, 1.0) if options.quick else Effort(11, 0.01, 2.0),
        memory_sizes=tuple(memory),
        memory_cells=cells[: 1 if options.quick else 2],
        quick=options.quick,
        thread_sizes=threads,
    )


def write(document: dict[str, Any], folder: Path) -> tuple[Path, ...]:
    """Write JSON, table and plot; gives their paths."""
    from benchmarks.cpu_parts import files, plot, report

    return files.write(document, folder, "cpu", report.text(document), plot.draw(document))


if __name__ == "__main__":
    sys.exit(main())
