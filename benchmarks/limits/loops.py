"""Kernels that loop over a barrier or an exchange: how they are launched, checked and timed."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np

from . import kernels
from .device import Device
from .results import MeasurementError, Outcome, Scalar


def measure(
    device: Device,
    kernel: Any,
    blocks: int,
    iterations: int,
    *,
    by_clock: bool,
    buffers: Sequence[Any] = (),
    flags: Any = None,
    shared: int = 0,
) -> Outcome:
    """One iteration: cycles by the SM clock, or nanoseconds by events; one block an SM.

    The kernel's parameters are `buffers`, then cycles, places, wrong, n and check.  `flags` are
    lowered before each launch.  By the clock, a sample is the median over the blocks of one
    launch; by events, the launch itself is in it, spread over the iterations.
    """
    shared = alone(device, kernel, shared)
    zeros = device.cupy.zeros
    cycles, places = zeros(blocks, dtype=np.int64), zeros(blocks, dtype=np.uint32)
    wrong = zeros(1, dtype=np.uint32)
    clocks: list[float] = []

    def launch(check: int = 0) -> None:
        arguments = (*buffers, cycles, places, wrong, np.int32(iterations), np.int32(check))
        kernel((blocks,), (kernels.BLOCK,), arguments, shared_mem=shared)

    def before() -> None:
        if flags is not None:
            flags.fill(0)

    def after() -> None:
        _check_places(places)
        clocks.append(float(np.median(cycles.get())))

    before()
    launch(check=1)
    _check_results(wrong, cycles)
    used = _check_places(places)
    timed = device.time(launch, 1, before=before, after=after)
    notes: dict[str, Scalar] = {"iterations": iterations, "blocks": blocks, "multiprocessors": used}
    if timed.values is None or not by_clock:
        return timed.scaled(1e9 / iterations).noted(**notes)
    # The launch is in the time and not in the cycles, so this is low by its share, some 0.5%.
    rates = [clock / (s * 1e9) for clock, s in zip(clocks, timed.values, strict=True)]
    notes["cycles_per_ns"] = round(median(rates), 3)
    return Outcome(tuple(clock / iterations for clock in clocks), notes)


def alone(device: Device, kernel: Any, shared: int) -> int:
    """Dynamic shared memory, at least `shared` bytes, that leaves an SM no room for a second block.

    The kernel is allowed to have it.  Without it several of these small blocks would share a
    multiprocessor, as blocks of a persistent kernel never do.
    """
    shared = max(shared, device.attribute("MaxSharedMemoryPerMultiprocessor") // 2 + 1024)
    kernel.max_dynamic_shared_size_bytes = shared
    return shared


def _check_results(wrong: Any, cycles: Any) -> None:
    """Raise unless the kernel ran in every block and saw nothing that a barrier rules out."""
    count, ran = int(wrong.get()[0]), cycles.get()
    if count:
        raise MeasurementError(f"{count} reads after a barrier were older than it allows")
    if not (ran > 0).all():
        raise MeasurementError("some blocks did not run")


def _check_places(places: Any) -> int:
    """The number of multiprocessors that the last launch used; raise if blocks shared one."""
    blocks, used = places.size, len(np.unique(places.get()))
    if used < blocks:
        raise MeasurementError(
            f"{blocks} blocks ran on {used} multiprocessors: not one block on each"
        )
    return used
