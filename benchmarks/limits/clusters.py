"""A cluster's barrier, and an exchange through distributed shared memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from . import kernels, model
from .barriers import check_barriers, loop
from .device import Device
from .results import Case, MeasurementError, NotHereError, Outcome

ITERATIONS = 10_000
PORTABLE = 8
"""Clusters up to this size run on every device that has clusters; larger ones must be allowed."""
NON_PORTABLE_CLUSTER_SIZE_ALLOWED = 14
"""CUfunction_attribute, from cuda.h; CuPy has no name for it."""


def cases(device: Device) -> Iterator[Case]:
    """Each size: one cluster alone by events, one and a device full of them by the SM clock."""
    for size in kernels.CLUSTER_SIZES:
        for size_in_bytes in (0, *kernels.EXCHANGED_BYTES):
            if size_in_bytes:
                name = "exchange through distributed shared memory"
                settings = {"cluster": size, "bytes": size_in_bytes}
                expected = model.cluster_exchange(size, size_in_bytes)
            else:
                name = "cluster barrier"
                settings = {"cluster": size}
                expected = model.cluster_barrier()
            full = device.sms // size if device.on_gpu else 2
            for clusters, by_clock in ((1, False), (1, True), (full, True)):
                run = (device, size, size_in_bytes, clusters, by_clock)
                yield Case(
                    f"{name}, {'by the SM clock' if by_clock else 'by events'}",
                    "cycles" if by_clock else "ns",
                    {**settings, "clusters": clusters},
                    expected if by_clock else model.in_nanoseconds(expected),
                    partial(_measure, *run),
                )


def _measure(
    device: Device, size: int, size_in_bytes: int, clusters: int, by_clock: bool
) -> Outcome:
    source = (
        kernels.cluster_exchange(size, size_in_bytes)
        if size_in_bytes
        else kernels.cluster_barrier(size)
    )
    if size > PORTABLE and not device.on_gpu:
        raise NotHereError(f"clusters above {PORTABLE} need a GPU that allows them")
    # Not cooperative: CUDA takes the cluster's size from the kernel only in an ordinary launch.
    kernel = device.kernel(source)
    if size > PORTABLE:
        _allow_large_clusters(kernel)
    blocks = size * clusters
    cycles = device.cupy.zeros(blocks, dtype=np.int64)
    wrong = device.cupy.zeros(1, dtype=np.uint32)
    buffers = () if size_in_bytes else (device.cupy.zeros(blocks, dtype=np.uint32),)
    shared = 2 * size_in_bytes  # within the 48 KB that need no opting in

    def launch(iterations: int, check: int) -> None:
        arguments = (*buffers, cycles, wrong, np.int32(iterations), np.int32(check))
        kernel((blocks,), (kernels.BLOCK,), arguments, shared_mem=shared)

    iterations = ITERATIONS if device.on_gpu else 3
    launch(iterations, 1)
    check_barriers(wrong, cycles)
    return loop(device, lambda: launch(iterations, 0), cycles, iterations, by_clock=by_clock)


def _allow_large_clusters(kernel: Any) -> None:
    try:
        from cupy.cuda import driver

        driver.funcSetAttribute(kernel.kernel.ptr, NON_PORTABLE_CLUSTER_SIZE_ALLOWED, 1)
    except Exception as error:
        raise MeasurementError(f"clusters above {PORTABLE} are unavailable: {error}") from error
