"""A barrier among all blocks of a grid, one block on every multiprocessor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from . import kernels, model
from .device import Device
from .results import Case, MeasurementError, Outcome

ITERATIONS = 2000
GRID = 132
"""Blocks: the multiprocessors of an H100 or H200; fewer on a smaller device."""


def cases(device: Device) -> Iterator[Case]:
    """Each barrier in SM cycles, and in nanoseconds by device events."""
    blocks = min(GRID, device.sms)
    for kind in kernels.GRID_BARRIERS:
        expected = model.grid_barrier(kind)
        yield Case(
            "grid barrier, by the SM clock",
            "cycles",
            {"barrier": kind, "blocks": blocks},
            expected,
            partial(_measure, device, kind, blocks, by_clock=True),
        )
        yield Case(
            "grid barrier, by events",
            "ns",
            {"barrier": kind, "blocks": blocks},
            model.in_nanoseconds(expected),
            partial(_measure, device, kind, blocks, by_clock=False),
        )


def _measure(device: Device, kind: str, blocks: int, *, by_clock: bool) -> Outcome:
    # Cooperative, so that CUDA refuses a grid whose blocks cannot all be resident.
    kernel = device.kernel(kernels.grid_barrier(kind), cooperative=True)
    zeros = device.cupy.zeros
    flags, seen = zeros(blocks, dtype=np.uint32), zeros(blocks, dtype=np.uint32)
    cycles, wrong = zeros(blocks, dtype=np.int64), zeros(1, dtype=np.uint32)

    def launch(iterations: int, check: int) -> None:
        arguments = (flags, seen, cycles, wrong, np.int32(iterations), np.int32(check))
        kernel((blocks,), (kernels.BLOCK,), arguments)

    iterations = ITERATIONS if device.on_gpu else 5
    flags.fill(0)
    launch(iterations, 1)
    check_barriers(wrong, cycles)
    return loop(
        device,
        lambda: launch(iterations, 0),
        cycles,
        iterations,
        by_clock=by_clock,
        before=lambda: flags.fill(0),
    )


def check_barriers(wrong: Any, cycles: Any) -> None:
    """Raise unless the kernel ran in every block and saw nothing that a barrier rules out."""
    count, ran = int(wrong.get()[0]), cycles.get()
    if count:
        raise MeasurementError(f"{count} reads after a barrier were older than it allows")
    if not (ran > 0).all():
        raise MeasurementError("some blocks did not run")


def loop(
    device: Device,
    launch: Callable[[], object],
    cycles: Any,
    iterations: int,
    *,
    by_clock: bool,
    before: Callable[[], object] | None = None,
) -> Outcome:
    """One iteration of a kernel that loops: cycles by the SM clock, or nanoseconds by events.

    By the clock, a sample is the median over the blocks of one launch; by events, the launch
    itself is in it, spread over the iterations.
    """
    timed = device.time(launch, 1, before=before).scaled(1e9 / iterations)
    if not by_clock or not device.on_gpu:
        return timed.noted(iterations=iterations)
    values = []
    for _ in range(device.samples):
        if before is not None:
            before()
        launch()
        values.append(float(np.median(cycles.get())) / iterations)
    return Outcome(tuple(values), {"iterations": iterations})
