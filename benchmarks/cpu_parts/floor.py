"""The floor: how long the matrix products alone take at the rate this machine multiplies with.

A module cannot be faster than its products.  Each group of products is set against the rate of
np.dot at that group's own shape, which for small batches lies far below the machine's best.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

import lstmgen
from lstmgen.show.costs import costs

from .sizes import Size

__all__ = ["Floor", "Group", "floor", "groups", "peak_rate", "rate"]


@dataclass(frozen=True)
class Group:
    """Products of a cell at a size: their FLOPs in all, and the shape (m, k, n) of one of them."""

    part: str
    flops: int
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class Floor:
    """Seconds of a training step's products.

    Attributes:
        flops: of all products, forward and backward.
        seconds: at the rates of their own shapes.
        seconds_at_peak: at the best rate of the machine.
    """

    flops: int
    seconds: float
    seconds_at_peak: float


def groups(cell: str, size: Size, *, training: bool = True) -> list[Group]:
    """The products of a cell in groups of one shape each.

    Those of every step: (rows, H) x (H, B).  Those of all steps at once, with the input: (rows, D)
    x (D, T B); for the weights' gradients: (rows, T B) x (T B, H + D).  `rows` follows from the
    FLOPs that the schedule counts.
    """
    T, B, D, H = size.T, size.B, size.D, size.H
    found = []
    for cost in costs(lstmgen.load(cell).schedule):
        if not training and cost.part != "forward":
            continue
        flops = cost.of_sequence().products.at(size.symbols())
        if not flops:
            continue
        if cost.part == "parameters":
            shape = (max(1, flops // (2 * T * B * (H + D))), T * B, H + D)
        elif cost.each_step:
            rows = max(1, flops // (2 * T * B * H))
            shape = (rows, H, B) if cost.part == "forward" else (H, rows, B)
        else:
            rows = max(1, flops // (2 * T * B * D))
            shape = (rows, D, T * B) if cost.part == "forward" else (D, rows, T * B)
        found.append(Group(cost.part, flops, shape))
    return found


def rate(shape: tuple[int, int, int], dtype: str, seconds: float = 0.02) -> float:
    """FLOPs a second of np.dot at (m, k) x (k, n): the best of several samples."""
    m, k, n = shape
    random = np.random.default_rng(0)
    a: Any = random.standard_normal((m, k)).astype(dtype)
    b: Any = random.standard_normal((k, n)).astype(dtype)
    out = np.empty((m, n), dtype)
    np.dot(a, b, out)
    start = time.perf_counter()
    np.dot(a, b, out)
    once = max(time.perf_counter() - start, 1e-7)
    repeats = max(1, int(seconds / 5 / once))
    best = np.inf
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(repeats):
            np.dot(a, b, out)
        best = min(best, (time.perf_counter() - start) / repeats)
    return 2 * m * k * n / float(best)


def peak_rate(dtype: str) -> float:
    """FLOPs a second of a product of two square matrices that suit the machine."""
    return max(rate((n, n, n), dtype) for n in (512, 1024))


def floor(cell: str, size: Size, dtype: str, peak: float, *, training: bool = True) -> Floor:
    """The least time for the products of a cell at a size; no rate counts as above the peak."""
    parts = groups(cell, size, training=training)
    flops = sum(group.flops for group in parts)
    seconds = sum(g.flops / min(peak, rate(g.shape, dtype)) for g in parts)
    return Floor(flops, seconds, flops / peak)
