"""Copy bandwidth: memory that L2 cannot hold, and memory that it can."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from . import kernels, model
from .device import Device
from .results import Case, MeasurementError, NotHereError, Outcome, Prediction

MIB = 1 << 20


def cases(device: Device) -> Iterator[Case]:
    """A kernel with 16-byte accesses and CUDA's own copy, in memory and in L2."""
    if device.on_gpu:
        sizes = {"memory": (1024 * MIB, 1), "L2": (8 * MIB, 64)}
    else:
        sizes = {"memory": (70_000 * 16, 1), "L2": (1000 * 16, 2)}
    for place, (size, turns) in sizes.items():
        for how in ("kernel", "memcpy"):
            yield Case(
                "copy, read and written",
                "GB/s",
                {"in": place, "MiB": round(size / MIB, 3), "by": how},
                _expected(device, place),
                partial(_measure, device, size, turns, how),
            )


def _expected(device: Device, place: str) -> Prediction | None:
    if place == "L2":
        return model.copy_in_l2()
    if not device.on_gpu:
        return None
    try:
        clock, width = device.attribute("MemoryClockRate"), device.attribute("GlobalMemoryBusWidth")
    except MeasurementError:  # the device does not tell, so nothing is predicted
        return None
    return model.copy_from_memory(clock, width)


def _measure(device: Device, size: int, turns: int, how: str) -> Outcome:
    """GB/s; the kernel copies `turns` times a launch, so that the launch does not show."""
    count = size // 4
    source = device.cupy.asarray(np.arange(count, dtype=np.float32))
    target = device.cupy.zeros(count, dtype=np.float32)
    if how == "kernel":
        work = _kernel(device, source, target, turns)
    else:
        work, turns = _memcpy(device, source, target), 1
    work()
    got = target.get()
    if not np.array_equal(got, np.arange(count, dtype=np.float32)):
        raise MeasurementError("the copy differs from its source")
    timed = device.time_queued(work, 8)
    if timed.values is None:
        return timed
    rates = tuple(2 * size * turns / seconds / 1e9 for seconds in timed.values)
    return Outcome(rates, {"turns": turns})


def _kernel(device: Device, source: Any, target: Any, turns: int) -> Callable[[], object]:
    kernel = device.kernel(kernels.copy())
    pieces = source.nbytes // 16
    blocks = max(1, min(device.sms * 16, -(-pieces // kernels.BLOCK)))
    arguments = (source, target, np.int64(pieces), np.int32(turns))
    return lambda: kernel((blocks,), (kernels.BLOCK,), arguments)


def _memcpy(device: Device, source: Any, target: Any) -> Callable[[], object]:
    if not device.on_gpu:
        raise NotHereError("CUDA's copy needs a GPU")
    return lambda: target.data.copy_from_device_async(source.data, source.nbytes)
