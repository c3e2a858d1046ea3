"""Where a module runs: the module, and how arrays get to its device and back.

A target or a device is added here, and nowhere else.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmgen.cell import Cell
from lstmgen.errors import UnavailableError, UsageError
from lstmgen.verification.files import load_module_file, target_of_file

TARGETS = {"numpy": ("cpu",), "cupy": ("cuda", "cpu")}
"""The devices of each target, its own first; "auto" takes the first that is here."""


@dataclass(frozen=True)
class Runner:
    """A module and its arrays.

    Attributes:
        module: a generated module, or anything with its functions.
        target: "numpy" or "cupy".
        device: "cpu" or "cuda".
        to_device: a new array of the target with the values of a NumPy array.
        to_host: the NumPy array of an array of the target; raises TypeError for anything else.
        name: what the report calls the module.
        library: the module's cupy, or the stand-in for it; None for numpy.
    """

    module: Any
    target: str
    device: str
    to_device: Callable[[npt.NDArray[Any]], Any]
    to_host: Callable[[Any], npt.NDArray[Any]]
    name: str = "generated"
    library: Any = None


def make_runner(
    module: Any, target: str = "numpy", device: str | None = None, name: str = "generated"
) -> Runner:
    """A runner for a module that is loaded.

    A cupy module runs where the `cupy` that it imported is: on a GPU, or with the stand-in of
    `lstmgen.cuda.on_cpu` on the CPU; `device` may be left out, and must not say otherwise.

    Raises:
        UsageError: no such target or device, or not the module's.
        UnavailableError: the target or the device is not available here.
    """
    _check_device(target, device)
    device = None if device == "auto" else device
    if target == "numpy":
        return Runner(module, target, "cpu", np.array, _numpy_to_host, name)
    library: Any = getattr(module, "cupy", None)
    if _is_stand_in(library):
        if device == "cuda":
            raise UsageError(f"the module {name} was loaded for the cpu, not for cuda")
        to_host = _cupy_to_host(library)
        return Runner(module, target, "cpu", library.array, to_host, name, library)
    if device == "cpu":
        raise UsageError(
            f"the module {name} was loaded for cuda; lstmgen.cuda.on_cpu.load_module loads one "
            "for the cpu"
        )
    cupy = _cupy_with_device()
    return Runner(module, target, "cuda", cupy.array, _cupy_to_host(cupy), name, cupy)


def build_runner(cell: Cell, target: str = "numpy", device: str | None = None) -> Runner:
    """A runner for the module that lstmgen generates for the cell, made in memory.

    `device` is "cpu" for numpy, and "cuda" or "cpu" for cupy; by default, or with "auto", it is
    "cuda" where there is CuPy and a device, else "cpu".  Errors are those of `make_runner`.
    """
    from lstmgen.targets import rendering

    device = _choose(target, device)
    if target == "numpy":
        return make_runner(rendering.compile(cell, target), target)
    if device == "cpu":
        return make_runner(_emulated(rendering.render(cell, target), f"{cell.name}_cupy"), target)
    _cupy_with_device()
    return make_runner(rendering.compile(cell, target), target, "cuda")


def file_runner(path: str | os.PathLike[str], device: str | None = None) -> Runner:
    """A runner for a module file as it is on disk; `device` as for `build_runner`.

    Raises:
        UsageError, UnavailableError: as `make_runner`, and where the file cannot be read.
        VerificationError: the file does not run.
    """
    target, name = target_of_file(path), Path(path).name
    device = _choose(target, device)
    if target == "numpy":
        return make_runner(load_module_file(path), target, device, name)
    if device == "cpu":
        return make_runner(load_module_file(path, _emulated), target, device, name)
    _cupy_with_device()
    return make_runner(load_module_file(path), target, "cuda", name)


def _check_device(target: str, device: str | None) -> None:
    if target not in TARGETS:
        raise UsageError(f"there is no target {target!r}; targets are {', '.join(TARGETS)}")
    devices = TARGETS[target]
    if device not in (None, "auto", *devices):
        raise UsageError(f"the target {target} runs on {' or '.join(devices)}, not on {device!r}")


def _choose(target: str, device: str | None) -> str:
    """The device that was asked for, or else the target's own where it is here."""
    _check_device(target, device)
    if device not in (None, "auto"):
        return str(device)
    if target == "cupy":
        try:
            _cupy_with_device()
        except UnavailableError:
            return "cpu"
    return TARGETS[target][0]


def _emulated(source: str, name: str) -> ModuleType:
    """A cupy module with the kernels on the CPU."""
    from lstmgen.cuda import on_cpu as cuda_on_cpu

    cuda_on_cpu.find_compiler()  # its error says what is missing
    return cuda_on_cpu.load_module(source, name, cupy=cuda_on_cpu.emulated_cupy())


def _is_stand_in(library: Any) -> bool:
    if library is None:
        return False
    from lstmgen.cuda.on_cpu import EmulatedCuPy

    return isinstance(library, EmulatedCuPy)


def _numpy_to_host(value: Any) -> npt.NDArray[Any]:
    if not isinstance(value, (np.ndarray, np.generic)):
        raise TypeError(f"a NumPy array was expected, not {type(value).__name__}")
    return np.asarray(value)


def _cupy_to_host(cupy: Any) -> Callable[[Any], npt.NDArray[Any]]:
    def to_host(value: Any) -> npt.NDArray[Any]:
        if not isinstance(value, cupy.ndarray):
            raise TypeError(f"a CuPy array was expected, not {type(value).__name__}")
        return np.asarray(cupy.asnumpy(value))

    return to_host


def _cupy_with_device() -> Any:
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
