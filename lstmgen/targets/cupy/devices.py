"""Where a CuPy module runs: on a GPU, or on the CPU with a stand-in for CuPy."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmgen.errors import UnavailableError, UsageError
from lstmgen.targets.target import Files, Runner, Target

__all__ = ["emulated_cupy", "load_emulated", "real_cupy", "runner"]

_MULTIPROCESSORS = 4
"""Of the stand-in's device: a small one has enough to do for loads of 16 bytes at small sizes."""


def runner(target: Target, module: Any, device: str | None, name: str) -> Runner:
    """A runner for a module that is loaded; `device` may be left out, and must not say otherwise.

    Raises:
        UsageError: the module was loaded for the other device.
        UnavailableError: there is no CuPy or no device here.
    """
    device = None if device == "auto" else device
    library: Any = getattr(module, "cupy", None)
    if _is_stand_in(library):
        if device == "cuda":
            raise UsageError(f"the module {name} was loaded for the cpu, not for cuda")
        note = ", its kernels compiled for the CPU"
        to_host = _to_host(library)
        return Runner(module, target, "cpu", library.array, to_host, name, library, note)
    if device == "cpu":
        raise UsageError(
            f"the module {name} was loaded for cuda; lstmgen.cuda.on_cpu.load_module loads one "
            "for the cpu"
        )
    cupy = real_cupy()
    return Runner(module, target, "cuda", cupy.array, _to_host(cupy), name, cupy)


def load_emulated(files: Files) -> ModuleType:
    """A module with its kernels on the CPU."""
    from lstmgen.cuda import on_cpu

    file, source = next(iter(files.items()))
    return on_cpu.load_module(source, Path(file).stem, cupy=emulated_cupy())


def emulated_cupy() -> Any:
    """The stand-in for CuPy; raises UnavailableError where there is no C++ compiler."""
    from lstmgen.cuda import on_cpu

    on_cpu.find_compiler()  # its error says what is missing
    return on_cpu.emulated_cupy(multiprocessors=_MULTIPROCESSORS)


def real_cupy() -> Any:
    """CuPy, if it is installed, finds CUDA's libraries and finds a device."""
    try:
        cupy: Any = importlib.import_module("cupy")
        importlib.import_module("cupy.cublas")  # modules need it; CuPy itself comes without
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "cupy":
            raise UnavailableError(f"CuPy cannot be imported: {error}") from None
        raise UnavailableError(
            "CuPy is not installed; pip install 'lstmgen[cuda12]' (or cuda13) installs it"
        ) from None
    except (ImportError, OSError, RuntimeError) as error:
        raise UnavailableError(
            f"CuPy is installed, but without the libraries of CUDA that it needs ({error}); "
            "pip install 'lstmgen[cuda12]' (or cuda13) installs both"
        ) from None
    try:
        devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise UnavailableError(f"there is no CUDA device here: {error}") from None
    if not devices:
        raise UnavailableError("there is no CUDA device here")
    return cupy


def _is_stand_in(library: Any) -> bool:
    if library is None:
        return False
    from lstmgen.cuda.on_cpu import EmulatedCuPy

    return isinstance(library, EmulatedCuPy)


def _to_host(cupy: Any) -> Callable[[Any], npt.NDArray[Any]]:
    def to_host(value: Any) -> npt.NDArray[Any]:
        if not isinstance(value, cupy.ndarray):
            raise TypeError(f"a CuPy array was expected, not {type(value).__name__}")
        return np.asarray(cupy.asnumpy(value))

    return to_host
