"""The CuPy that is measured, on a GPU or as its stand-in on the CPU, and how it is timed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from . import kernels
from .results import MeasurementError, Outcome

COMPILE_OPTIONS = ("-std=c++17",)
SPIN_HZ = 2.2e9
"""Above any SM clock of today, so that a spin of `seconds * SPIN_HZ` cycles lasts long enough."""


class Device:
    """CuPy with the means to time work on it.

    Times are medians over `samples` readings of CUDA events, each over several calls.  On the
    CPU stand-in nothing is timed: every `time...` method runs the work once and gives no values.
    """

    def __init__(self, cupy: Any, *, on_gpu: bool, quick: bool) -> None:
        self.cupy = cupy
        self.on_gpu = on_gpu
        self.quick = quick
        self.samples = 5 if quick else 30
        self._spin: Any = None

    # -- what the device is ------------------------------------------------------------------

    @property
    def sms(self) -> int:
        """Streaming multiprocessors; a handful on the stand-in, where a block is a thread."""
        if not self.on_gpu:
            return 4
        return int(self.attribute("MultiProcessorCount"))

    def attribute(self, name: str) -> int:
        """A device attribute under CUDA's name without `cudaDevAttr`."""
        value = self.cupy.cuda.Device().attributes.get(name)
        if not value:  # a driver may answer 0 for what it no longer tells
            raise MeasurementError(f"the device attribute {name} is not known")
        return int(value)

    def describe(self) -> dict[str, Any]:
        """The device's name, properties and software, for the record."""
        runtime = self.cupy.cuda.runtime
        properties = runtime.getDeviceProperties(self.cupy.cuda.Device().id)
        name = properties["name"]
        attributes = self.cupy.cuda.Device().attributes
        wanted = ("MultiProcessorCount", "ClockRate", "MemoryClockRate", "GlobalMemoryBusWidth")
        return {
            "name": name.decode() if isinstance(name, bytes) else str(name),
            "compute_capability": str(self.cupy.cuda.Device().compute_capability),
            "memory_bytes": int(properties["totalGlobalMem"]),
            **{key: int(attributes[key]) for key in wanted if key in attributes},
            "cuda_runtime": int(runtime.runtimeGetVersion()),
            "cuda_driver": int(runtime.driverGetVersion()),
            "cupy": str(self.cupy.__version__),
            "numpy": np.__version__,
        }

    # -- kernels -----------------------------------------------------------------------------

    def kernel(self, source: kernels.Source, *, cooperative: bool = False) -> Any:
        """Compile and give the kernel; with the toolkit's headers when CuPy's do not suffice."""
        attempts: list[tuple[str, ...]] = [COMPILE_OPTIONS]
        attempts += [(*COMPILE_OPTIONS, *include) for include in _toolkit_headers()]
        for number, options in enumerate(attempts):
            module = self.cupy.RawModule(
                code=source.text, options=options, enable_cooperative_groups=cooperative
            )
            try:
                return module.get_function(source.kernel)
            except Exception as error:
                missing = "open source file" in str(error)
                if not missing or number + 1 == len(attempts):
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    # -- timing ------------------------------------------------------------------------------

    def time(
        self,
        work: Callable[[], object],
        calls: int,
        *,
        before: Callable[[], object] | None = None,
        after: Callable[[], object] | None = None,
        samples: int | None = None,
    ) -> Outcome:
        """Seconds per call of `work` between two events, with the host issuing as it goes.

        `before` runs ahead of each sample and `after` behind it, outside the events.
        """
        if not self.on_gpu:
            return self._only_run(work, before, after)
        self._warm_up(work, before)
        start, end = self._events()
        values = []
        for _ in range(samples or self.samples):
            if before is not None:
                before()
                # What it queued would give the host a lead over the device.
                self.cupy.cuda.Device().synchronize()
            start.record()
            for _ in range(calls):
                work()
            end.record()
            end.synchronize()
            values.append(self._elapsed(start, end) / calls)
            if after is not None:
                after()
        return Outcome(tuple(values))

    def time_queued(
        self,
        work: Callable[[], object],
        calls: int,
        *,
        before: Callable[[], object] | None = None,
    ) -> Outcome:
        """Seconds per call on the device alone: all calls wait in the stream before the first runs.

        A kernel that spins holds the stream back while the host issues the work.  A sample whose
        work began before the host was done is taken again with a longer spin.  `before` runs ahead
        of each sample, outside the events.
        """
        if not self.on_gpu:
            return self._only_run(work, before)
        self._warm_up(work, before)
        spin = self._spin_kernel()
        begin = time.perf_counter()
        for _ in range(calls):
            work()
        seconds = 2 * (time.perf_counter() - begin) + 1e-3
        self.cupy.cuda.Device().synchronize()
        start, end = self._events()
        values: list[float] = []
        while len(values) < self.samples:
            if before is not None:
                before()
            spin((1,), (1,), (np.int64(seconds * SPIN_HZ),))
            start.record()
            for _ in range(calls):
                work()
            end.record()
            held = not start.done
            end.synchronize()
            if held:
                values.append(self._elapsed(start, end) / calls)
            elif seconds > 0.5:
                raise MeasurementError("the host cannot issue the work ahead of the device")
            else:
                seconds *= 2
        return Outcome(tuple(values), {"held_back_ms": round(seconds * 1e3, 3)})

    def time_host(self, work: Callable[[], object], calls: int) -> Outcome:
        """Seconds of the host's time per call of `work`, which must not wait for the device."""
        if not self.on_gpu:
            return self._only_run(work, None)
        self._warm_up(work, None)
        values = []
        for _ in range(self.samples):
            begin = time.perf_counter()
            for _ in range(calls):
                work()
            values.append((time.perf_counter() - begin) / calls)
            self.cupy.cuda.Device().synchronize()
        return Outcome(tuple(values))

    def _only_run(
        self,
        work: Callable[[], object],
        before: Callable[[], object] | None,
        after: Callable[[], object] | None = None,
    ) -> Outcome:
        if before is not None:
            before()
        work()
        if after is not None:
            after()
        return Outcome(None)

    def _warm_up(self, work: Callable[[], object], before: Callable[[], object] | None) -> None:
        for _ in range(3):
            if before is not None:
                before()
            work()
        self.cupy.cuda.Device().synchronize()

    def _events(self) -> tuple[Any, Any]:
        return self.cupy.cuda.Event(), self.cupy.cuda.Event()

    def _elapsed(self, start: Any, end: Any) -> float:
        return float(self.cupy.cuda.get_elapsed_time(start, end)) * 1e-3

    def _spin_kernel(self) -> Any:
        if self._spin is None:
            self._spin = self.kernel(kernels.spin())
            self._spin((1,), (1,), (np.int64(1000),))
        return self._spin


def on_gpu(*, quick: bool) -> Device:
    """The first CUDA device through CuPy; MeasurementError when there is none."""
    try:
        import cupy
    except ImportError as error:
        message = f"CuPy is not installed ({error}): pip install cupy-cuda13x"
        raise MeasurementError(message) from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:
        raise MeasurementError(f"there is no usable CUDA device: {error}") from error
    if count < 1:
        raise MeasurementError("there is no CUDA device")
    return Device(cupy, on_gpu=True, quick=quick)


def no_stand_in() -> str | None:
    """Why kernels cannot run on the CPU here, or None when they can."""
    from lstmgen.cuda.on_cpu import find_compiler
    from lstmgen.errors import UnavailableError

    try:
        find_compiler()
    except UnavailableError as error:
        return str(error)
    return None


def on_cpu(*, quick: bool) -> Device:
    """The stand-in for CuPy that runs kernels on the CPU."""
    from lstmgen.cuda.on_cpu import emulated_cupy

    return Device(emulated_cupy(), on_gpu=False, quick=quick)


def _toolkit_headers() -> list[tuple[str, ...]]:
    """Include options for each installed CUDA toolkit, for what CuPy's own folders lack."""
    roots = [os.environ.get("CUDA_PATH"), os.environ.get("CUDA_HOME"), "/usr/local/cuda"]
    if nvcc := shutil.which("nvcc"):
        roots.insert(0, str(Path(nvcc).resolve().parents[1]))
    found = []
    for root in dict.fromkeys(r for r in roots if r):
        include = Path(root, "include")
        if (include / "cooperative_groups.h").is_file():
            folders = [f for f in (include, include / "cccl") if f.is_dir()]
            found.append(tuple(f"-I{folder}" for folder in folders))
    return found
