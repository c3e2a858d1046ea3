"""A cluster's barrier, and an exchange through distributed shared memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from . import kernels, loops, model
from .device import Device
from .occupancy import resident_clusters
from .results import Case, MeasurementError, NotHereError, Outcome, Scalar

ITERATIONS = 10_000
PORTABLE = 8
"""Clusters up to this size run on every device that has clusters; larger ones must be allowed."""
NON_PORTABLE_CLUSTER_SIZE_ALLOWED = 14
"""CUfunction_attribute, from cuda.h; CuPy has no name for it."""


def cases(device: Device) -> Iterator[Case]:
    """Each size: how many fit; one cluster alone by events; one and all that fit by the clock."""
    for size in kernels.CLUSTER_SIZES:
        yield Case(
            "clusters resident at a time",
            "clusters",
            {"cluster": size},
            model.resident_clusters(size),
            partial(_resident, device, size),
        )
        for size_in_bytes in (0, *kernels.EXCHANGED_BYTES):
            settings: dict[str, Scalar] = {"cluster": size}
            if size_in_bytes:
                name = "exchange through distributed shared memory"
                settings["bytes"] = size_in_bytes
                expected = model.cluster_exchange(size, size_in_bytes)
            else:
                name = "cluster barrier"
                expected = model.cluster_barrier()
            for full, by_clock in ((False, False), (False, True), (True, True)):
                yield Case(
                    f"{name}, {'by the SM clock' if by_clock else 'by events'}",
                    "cycles" if by_clock else "ns",
                    {**settings, "clusters": "full" if full else 1},
                    expected if by_clock else model.in_nanoseconds(expected),
                    partial(_measure, device, size, size_in_bytes, full=full, by_clock=by_clock),
                )


def _resident(device: Device, size: int) -> Outcome:
    """How many clusters the driver says it holds, with one block on a multiprocessor."""
    if not device.on_gpu:
        raise NotHereError("only a GPU has clusters that are resident")
    kernel = _kernel(device, size, 0)
    shared = loops.alone(device, kernel, 0)
    count = resident_clusters(kernel, size, kernels.BLOCK, shared)
    return Outcome((float(count),), {"multiprocessors": count * size, "of": device.sms})


def _measure(
    device: Device, size: int, size_in_bytes: int, *, full: bool, by_clock: bool
) -> Outcome:
    kernel = _kernel(device, size, size_in_bytes)
    shared = 2 * size_in_bytes
    notes: dict[str, Scalar] = {}
    clusters = 1
    if full:
        clusters, notes = _full(device, kernel, size, shared)
    blocks = size * clusters
    buffers = () if size_in_bytes else (device.cupy.zeros(blocks, dtype=np.uint32),)
    iterations = ITERATIONS if device.on_gpu else 3
    outcome = loops.measure(
        device, kernel, blocks, iterations, by_clock=by_clock, buffers=buffers, shared=shared
    )
    return outcome.noted(**notes)


def _full(device: Device, kernel: Any, size: int, shared: int) -> tuple[int, dict[str, Scalar]]:
    """All clusters that run at the same time: one more would wait, and run where another ended."""
    if not device.on_gpu:
        return 2, {}
    shared = loops.alone(device, kernel, shared)
    try:
        count = resident_clusters(kernel, size, kernels.BLOCK, shared)
    except MeasurementError as error:
        count = min(model.RESIDENT_CLUSTERS[size], device.sms // size)
        return count, {"resident": f"the model's {count}, as CUDA gave none: {error}"}
    if count < 1:
        raise MeasurementError(f"no cluster of {size} blocks fits the device")
    return count, {"resident": count}


def _kernel(device: Device, size: int, size_in_bytes: int) -> Any:
    """The kernel of the barrier, or of the exchange if there are bytes; large clusters allowed."""
    if size > PORTABLE and not device.on_gpu:
        raise NotHereError(f"clusters above {PORTABLE} need a GPU that allows them")
    source = (
        kernels.cluster_exchange(size, size_in_bytes)
        if size_in_bytes
        else kernels.cluster_barrier(size)
    )
    # Not cooperative: CUDA takes the cluster's size from the kernel only in an ordinary launch.
    kernel = device.kernel(source)
    if size > PORTABLE:
        _allow_large_clusters(kernel)
    return kernel


def _allow_large_clusters(kernel: Any) -> None:
    try:
        from cupy.cuda import driver

        driver.funcSetAttribute(kernel.kernel.ptr, NON_PORTABLE_CLUSTER_SIZE_ALLOWED, 1)
    except Exception as error:
        raise MeasurementError(f"clusters above {PORTABLE} are unavailable: {error}") from error
