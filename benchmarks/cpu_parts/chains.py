"""Cells of any number of equations, to see how the stages of a build grow with it."""

from __future__ import annotations

import itertools
import json
import math
import statistics
import sys
import time
from collections.abc import Iterator, Sequence

import lstmgen
from benchmarks.cpu_parts import one_thread
from lstmgen import Cell, Eq, sigma, symbols, t, tanh

__all__ = ["STAGES", "chain", "growth", "stage_seconds"]

STAGES = {
    "read": "equations to normal form",
    "derive": "gradients",
    "schedule": "products, blocks, what is kept",
    "render": "NumPy source",
    "compile": "Python module",
}
_PRODUCTS_EVERY = 5


def chain(equations: int) -> Cell:
    """A cell of so many equations in which each one needs the one before.

    Every fifth multiplies h_{t-1} and x_t, or the chain's vector, by matrices of its own; those
    between are element-wise and look back two equations too.  The last one is the output.

    Raises:
        ValueError: fewer than two equations.
    """
    if equations < 2:
        raise ValueError(f"equations: expected at least 2, got {equations}")
    h, x = symbols("h x")
    names = [f"v_{k}" for k in range(1, equations)]
    vectors = [*(symbols(name) for name in names), h]
    found = []
    for k, v in enumerate(vectors):
        if k % _PRODUCTS_EVERY == 0:
            w, b = symbols(f"W_{k + 1}"), symbols(f"b_{k + 1}")
            operands = [h[t - 1], x[t]] if k == 0 else [vectors[k - 1][t], h[t - 1]]
            value = tanh(w @ operands + b)
        elif k % _PRODUCTS_EVERY == 1:
            value = sigma(vectors[k - 1][t]) * h[t - 1]
        elif k % 2:
            value = vectors[k - 1][t] * vectors[k - 2][t] + vectors[k - 1][t]
        else:
            value = tanh(vectors[k - 1][t]) - vectors[k - 2][t]
        found.append(Eq(v[t], value))
    return Cell(f"chain_{equations}", *found)


def stage_seconds(equations: int) -> Iterator[tuple[str, float]]:
    """Each stage of `STAGES` and its seconds as it ends, for a cell that is new."""
    start = time.perf_counter()
    cell = chain(equations)
    yield "read", time.perf_counter() - start
    start = time.perf_counter()
    _ = cell.gradients
    yield "derive", time.perf_counter() - start
    start = time.perf_counter()
    _ = cell.schedule
    yield "schedule", time.perf_counter() - start
    start = time.perf_counter()
    source = lstmgen.render(cell, "numpy")
    yield "render", time.perf_counter() - start
    start = time.perf_counter()
    compile(source, "<chain>", "exec", dont_inherit=True)
    yield "compile", time.perf_counter() - start


def growth(counts: Sequence[int], seconds: Sequence[float]) -> float:
    """The exponent p of seconds ~ equations^p, by least squares over the logarithms: 1 is linear.

    Raises:
        ValueError: fewer than two points.
    """
    xs, ys = [math.log(n) for n in counts], [math.log(s) for s in seconds]
    return statistics.linear_regression(xs, ys).slope


def main() -> int:
    """`python -m benchmarks.cpu_parts.chains 200 5`: 200 equations, the first five stages.

    Prints a line of JSON for each stage as it ends.
    """
    equations, stages = (int(argument) for argument in sys.argv[1:])
    one_thread.pin()
    lstmgen.render(chain(2), "numpy")  # imports and templates are no part of what is timed
    for stage, seconds in itertools.islice(stage_seconds(equations), stages):
        print(json.dumps([stage, seconds]), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
