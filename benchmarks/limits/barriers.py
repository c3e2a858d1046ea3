"""A barrier among all blocks of a grid, one block on every multiprocessor."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from . import kernels, loops, model
from .device import Device
from .results import Case, Outcome, Scalar

ITERATIONS = 2000
GRIDS = (16, 32, 64, 128, 132)
"""Blocks; the most are the multiprocessors of an H100 or H200, or fewer on a smaller device."""


def cases(device: Device) -> Iterator[Case]:
    """Each barrier and grid in SM cycles, and in nanoseconds by device events."""
    for kind in kernels.GRID_BARRIERS:
        for blocks in sorted({min(grid, device.sms) for grid in GRIDS}):
            settings: dict[str, Scalar] = {"barrier": kind, "blocks": blocks}
            expected = model.grid_barrier(kind, blocks)
            yield Case(
                "grid barrier, by the SM clock",
                "cycles",
                settings,
                expected,
                partial(_measure, device, kind, blocks, by_clock=True),
            )
            yield Case(
                "grid barrier, by events",
                "ns",
                settings,
                model.in_nanoseconds(expected),
                partial(_measure, device, kind, blocks, by_clock=False),
            )


def _measure(device: Device, kind: str, blocks: int, *, by_clock: bool) -> Outcome:
    # Cooperative, so that CUDA refuses a grid whose blocks cannot all be resident.
    kernel = device.kernel(kernels.grid_barrier(kind), cooperative=True)
    flags, seen = (device.cupy.zeros(blocks, dtype=np.uint32) for _ in range(2))
    iterations = ITERATIONS if device.on_gpu else 5
    return loops.measure(
        device, kernel, blocks, iterations, by_clock=by_clock, buffers=(flags, seen), flags=flags
    )
