"""Measure what each pass of the NumPy target buys: forward and backward with it, and without.

    python -m benchmarks.numpy_passes                        three cells, sizes without e and f
    python -m benchmarks.numpy_passes --cells lstm --sizes ab

A pass that buys less than a tenth at every size has no place.
One process, one core, one thread; the modules are timed in turn, in an order that changes, by the
processor's time.  Results go to benchmarks/results/, named by the machine.

Exit status: 0 measured, 2 usage.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.cpu_parts import one_thread

__all__ = ["main"]

CELLS = ("lstm", "peephole", "gru")
LETTERS = "abcdg"
"""At e and f nearly all the time is the matrix products'."""
COPIES = 5
"""Modules of each kind, with memory of their own: where it lies makes up to a tenth at size a."""
ROUNDS, SECONDS = (2, 60), 8.0
"""Rounds of all modules in turn, at least and at most; seconds after which no more begin."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the results; gives the exit status."""
    options = _parser().parse_args(arguments)
    core = one_thread.pin()
    from benchmarks.cpu_parts import files, machine
    from benchmarks.cpu_parts.sizes import SIZES

    cells = options.cells.split(",") if options.cells else CELLS
    letters = options.sizes or LETTERS
    if unknown := sorted(set(letters) - set(SIZES)):
        print(f"numpy_passes: no size is called {unknown[0]}", file=sys.stderr)
        return 2
    document: dict[str, Any] = {
        "schema": 1,
        "date": machine.today(),
        "machine": machine.describe(core),
        "versions": machine.versions(),
        "quick": bool(options.cells or options.sizes),
        "rows": [
            {"cell": cell, "size": str(SIZES[letter]), "without": _measure(cell, letter)}
            for cell in cells
            for letter in letters
        ],
    }
    names = list(document["rows"][0]["without"])
    document["most"] = {n: max(row["without"][n] for row in document["rows"]) for n in names}
    table = _text(document)
    print(table, end="")
    for path in files.write(document, options.output, "numpy-passes", table):
        print(f"wrote {path}", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    from benchmarks.cpu_parts.files import RESULTS

    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.numpy_passes",
        description="Measure what each pass of the NumPy target buys.",
    )
    parser.add_argument("--cells", help="names or paths, separated by commas")
    parser.add_argument("--sizes", help="letters of the sizes, such as abc")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    return parser


def _measure(cell: str, letter: str) -> dict[str, float]:
    """For each pass the time without it over the time with all of them, of the medians."""
    from lstmgen.targets.numpy.passes import ALL

    calls: list[tuple[str, Callable[[], object]]] = []
    for _ in range(COPIES):
        calls.append(("", _training(_module(cell, ALL), cell, letter)))
        for field in fields(ALL):
            passes = replace(ALL, **{field.name: False})
            calls.append((field.name, _training(_module(cell, passes), cell, letter)))
    samples: dict[str, list[float]] = {name: [] for name, _ in calls}
    for _, call in calls:
        call()
    started = time.process_time()
    for done in range(ROUNDS[1]):
        if done >= ROUNDS[0] and time.process_time() - started > SECONDS:
            break
        for name, call in random.sample(calls, len(calls)):
            before = time.process_time()
            call()
            samples[name].append(time.process_time() - before)
    medians = {name: statistics.median(times) for name, times in samples.items()}
    return {name: round(medians[name] / medians[""], 3) for name in medians if name}


def _module(cell: str, passes: Any) -> ModuleType:
    import lstmgen
    from lstmgen.targets.common.templates import set_into
    from lstmgen.targets.numpy.module import NumpyModule

    made = ModuleType(cell)
    source = set_into("numpy.py.j2", NumpyModule(lstmgen.load(cell), passes=passes))
    exec(compile(source, f"{cell}_numpy.py", "exec"), vars(made))
    return made


def _training(module: ModuleType, cell: str, letter: str) -> Callable[[], object]:
    """forward(reuse=) and backward, as a training loop calls them."""
    import lstmgen
    from benchmarks.cpu_parts.problem import make_problem
    from benchmarks.cpu_parts.sizes import SIZES

    problem = make_problem(cell, lstmgen.load(cell).parameters, SIZES[letter], "float32")
    params = dict(problem.params)
    tape = None

    def train() -> object:
        nonlocal tape
        _, _, tape = module.forward(params, problem.x, reuse=tape)
        return module.backward(params, tape, problem.dy)

    return train


def _text(document: dict[str, Any]) -> str:
    described, versions = document["machine"], document["versions"]
    names = list(document["most"])
    lines = [
        f"{described['processor']}, {described['cores']} cores, {described['vectors']}; "
        f"one thread, pinned to core {described['pinned_to_core']}; {document['date']}",
        f"python {versions['python']}, numpy {versions['numpy']}, blas {versions['blas']}",
        "forward and backward in float32: the time without a pass over the time with all passes",
        "",
        f"{'cell':10}{'T,B,D,H':22}" + "".join(f"{name:>9}" for name in names),
    ]
    for row in document["rows"]:
        ratios = "".join(f"{row['without'][name]:9.2f}" for name in names)
        lines.append(f"{row['cell']:10}{row['size']:22}{ratios}")
    most = "".join(f"{document['most'][name]:9.2f}" for name in names)
    lines += ["", f"{'most':32}{most}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
