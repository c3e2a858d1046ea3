"""What every contender is given: a cell's parameters, an input, and the gradient of the output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .sizes import Size

__all__ = ["Array", "Problem", "Results", "Unsuitable", "make_problem"]

Array = np.ndarray[Any, Any]
Results = dict[str, Array]
"""y, dx and the gradient of each parameter by its name, in the layout of the generated modules."""


class Unsuitable(Exception):
    """This benchmark cannot run the cell; the message says why."""


@dataclass(frozen=True)
class Problem:
    """A cell's parameters, x (T, B, D) and dy (T, B, H), in one dtype; the first state is zero."""

    cell: str
    size: Size
    dtype: str
    params: Mapping[str, Array]
    x: Array
    dy: Array


def make_problem(
    cell: str, shapes: Mapping[str, Sequence[str]], size: Size, dtype: str, seed: int = 0
) -> Problem:
    """Random numbers, the same in every dtype up to rounding.

    Args:
        cell: the cell's name.
        shapes: each parameter's symbolic shape, as a cell's `parameters` gives them.
        size: T, B, D, H.
        dtype: "float32" or "float64".
        seed: of the random numbers.

    Raises:
        Unsuitable: the cell has a size other than H and D.
    """
    random = np.random.default_rng(seed)
    if not any("D" in extent.split("+") for shape in shapes.values() for extent in shape):
        size = replace(size, D=size.H)  # x is as wide as h
    known = {"H": size.H, "D": size.D}
    params = {}
    for name, shape in shapes.items():
        unknown = sorted({s for extent in shape for s in extent.split("+")} - set(known))
        if unknown:
            raise Unsuitable(
                f"{cell} has the size {unknown[0]} ({name}: {', '.join(shape)}); "
                f"the benchmark knows H and D only"
            )
        extents = [sum(known[s] for s in extent.split("+")) for extent in shape]
        values = np.asarray(random.uniform(-1, 1, extents)).astype(dtype)
        params[name] = np.asarray(values * np.dtype(dtype).type(size.H**-0.5))
    x = random.standard_normal((size.T, size.B, size.D)).astype(dtype)
    dy = random.standard_normal((size.T, size.B, size.H)).astype(dtype)
    return Problem(cell, size, dtype, params, x, dy)
