"""What a launch costs: the host's time in CuPy's calls, and the device's between kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from . import kernels, model
from .device import Device
from .results import Case, NotHereError, Outcome

MICROSECONDS = 1e6
SCALARS = ("Python's", "NumPy's", "the device's")
"""What `cupy.cublas.gemm` is given as alpha and beta; it makes an array of a number of Python's."""


def cases(device: Device) -> Iterator[Case]:
    """Host time of launches and products; device time issued, queued, replayed from a graph."""
    for count in kernels.ARGUMENT_COUNTS:
        yield Case(
            "host time of a launch",
            "us",
            {"arguments": count},
            model.launch_from_host(),
            partial(_on_host, device, count),
        )
    for scalars in SCALARS:
        yield Case(
            "host time of an accumulating product",
            "us",
            {"scalars": scalars},
            model.product_from_host(),
            partial(_product, device, scalars),
        )
    yield Case(
        "launches as they are issued",
        "us",
        {"arguments": 8},
        model.launch_from_host(),
        lambda: device.time(_launcher(device, 8), 256).scaled(MICROSECONDS),
    )
    yield Case(
        "queued launches, kernel to kernel",
        "us",
        {"arguments": 8},
        model.launch_on_device(),
        lambda: device.time_queued(_launcher(device, 8), 256).scaled(MICROSECONDS),
    )
    yield Case(
        "launches replayed from a graph",
        "us",
        {"arguments": 8, "launches": 256},
        model.launch_on_device(),
        partial(_replayed, device, 256),
    )


def _launcher(device: Device, count: int) -> Callable[[], object]:
    """Launches an empty kernel; the arguments are built once, as a time loop would have them."""
    kernel = device.kernel(kernels.empty(count))
    array = device.cupy.zeros(16, dtype=np.float32)
    arguments: tuple[Any, ...] = (*[array] * (count - 1), np.int32(1))
    return lambda: kernel((1,), (32,), arguments)


def _on_host(device: Device, count: int) -> Outcome:
    # Few enough calls that the stream's queue of about a thousand launches never fills.
    return device.time_host(_launcher(device, count), 256).scaled(MICROSECONDS)


def _product(device: Device, scalars: str) -> Outcome:
    """As a module's time loop calls it, for a product too small to keep the device busy."""
    cupy = device.cupy
    if device.on_gpu:
        import_module("cupy.cublas")  # not imported with cupy
    one: Any = 1.0
    if scalars != SCALARS[0]:
        if not device.on_gpu:
            raise NotHereError("the stand-in's product takes numbers of Python's")
        one = np.ones((), np.float32)
        one = one if scalars == SCALARS[1] else cupy.asarray(one)
    h, weights = (cupy.zeros((rows, 32), dtype=np.float32) for rows in (4, 128))
    z = cupy.zeros((4, 128), dtype=np.float32)
    gemm = cupy.cublas.gemm

    def product() -> None:
        gemm("N", "T", h, weights, out=z, alpha=one, beta=one)

    return device.time_host(product, 256).scaled(MICROSECONDS)


def _replayed(device: Device, launches: int) -> Outcome:
    if not device.on_gpu:
        raise NotHereError("graphs of launches need a GPU")
    launch = _launcher(device, 8)
    launch()
    stream = device.cupy.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        try:
            for _ in range(launches):
                launch()
        finally:
            graph = stream.end_capture()
        outcome = device.time(lambda: graph.launch(stream=stream), 4)
    return outcome.scaled(MICROSECONDS / launches)
