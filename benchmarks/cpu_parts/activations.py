"""What an activation takes a number: the time of a cell that has it, less that of one without."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.limits.results import spread
from lstmgen import Cell, Eq, exp, sigma, symbols, t, tanh
from lstmgen import compile as compile_cell

from .clock import Effort, in_turn

__all__ = ["measure"]

_SHAPE = (20, 16, 256)
"""Steps, rows and units: x and y stay in the second cache."""


def measure(target: str, effort: Effort) -> list[dict[str, Any]]:
    """A record for each function and dtype."""
    h, x = symbols("h x")
    functions = {"sigma": sigma, "tanh": tanh, "exp": exp}
    values = {"none": x[t], **{name: function(x[t]) for name, function in functions.items()}}
    modules = {
        name: compile_cell(Cell(f"only_{name}", Eq(h[t], value + h[t - 1])), target)
        for name, value in values.items()
    }
    records = []
    for dtype in ("float32", "float64"):
        given = np.random.default_rng(0).standard_normal(_SHAPE).astype(dtype)
        first = {"h": np.zeros(_SHAPE[1:], dtype)}

        def call(module: Any, given: Any = given, first: Any = first) -> Any:
            return lambda: module.forward({}, given, first, tape=False)

        times = in_turn({name: call(module) for name, module in modules.items()}, effort)
        for name in functions:
            pairs = zip(times[name], times["none"], strict=True)
            seconds = spread([(a - b) / given.size for a, b in pairs])
            records.append({"function": name, "dtype": dtype, "seconds": seconds})
    return records
