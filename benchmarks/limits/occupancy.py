"""How many clusters of a kernel a device holds at a time: asked of the driver, past CuPy."""

from __future__ import annotations

import ctypes
import os
from typing import Any

from .results import MeasurementError, NotHereError

CLUSTER_DIMENSION = 4
"""CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION, from cuda.h as the structures below."""


class Dimensions(ctypes.Structure):
    """Blocks of a cluster along each axis."""

    _fields_ = (("x", ctypes.c_uint), ("y", ctypes.c_uint), ("z", ctypes.c_uint))


class AttributeValue(ctypes.Union):
    """CUlaunchAttributeValue: 64 bytes, whichever attribute it is of."""

    _fields_ = (("cluster", Dimensions), ("bytes", ctypes.c_char * 64), ("align", ctypes.c_uint64))


class LaunchAttribute(ctypes.Structure):
    """CUlaunchAttribute."""

    _fields_ = (("id", ctypes.c_int), ("padding", ctypes.c_char * 4), ("value", AttributeValue))


class LaunchConfig(ctypes.Structure):
    """CUlaunchConfig, what cuLaunchKernelEx takes."""

    _fields_ = (
        ("grid", Dimensions),
        ("block", Dimensions),
        ("shared_bytes", ctypes.c_uint),
        ("stream", ctypes.c_void_p),
        ("attributes", ctypes.POINTER(LaunchAttribute)),
        ("attribute_count", ctypes.c_uint),
    )


def resident_clusters(kernel: Any, size: int, threads: int, shared: int) -> int:
    """Clusters of `size` blocks that can run at the same time on the current device.

    Raises NotHereError where the driver cannot be asked, MeasurementError where it gives an error.
    """
    try:
        ask = libcuda().cuOccupancyMaxActiveClusters
    except (OSError, AttributeError) as error:  # no such library; a driver before CUDA 11.8
        raise NotHereError(f"the driver cannot be asked for resident clusters: {error}") from error
    ask.argtypes = (
        ctypes.POINTER(ctypes.c_int),
        ctypes.c_void_p,
        ctypes.POINTER(LaunchConfig),
    )
    ask.restype = ctypes.c_int
    attribute = LaunchAttribute(id=CLUSTER_DIMENSION)
    attribute.value.cluster = Dimensions(size, 1, 1)
    config = LaunchConfig(
        grid=Dimensions(size, 1, 1),
        block=Dimensions(threads, 1, 1),
        shared_bytes=shared,
        attributes=ctypes.pointer(attribute),
        attribute_count=1,
    )
    count = ctypes.c_int(0)
    status = ask(ctypes.byref(count), kernel.kernel.ptr, ctypes.byref(config))
    if status:
        raise MeasurementError(f"cuOccupancyMaxActiveClusters gave CUDA error {status}")
    return count.value


def libcuda() -> Any:
    """The driver's library, which CuPy has loaded and made a context with."""
    return ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
