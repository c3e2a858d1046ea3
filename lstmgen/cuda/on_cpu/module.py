"""Put the stand-in for cupy together: a module object with the names that modules use."""

from __future__ import annotations

from types import ModuleType
from typing import Any, NoReturn

import numpy as np

from . import cuda
from .array import MemoryPointer, ndarray
from .compiler import CompileException
from .emulator import Counters, Emulator
from .functions import Cublas, Functions
from .kernels import RawKernel, RawModule

__all__ = ["EmulatedCuPy", "Names", "emulated_cupy"]

VERSION = "14.0.0+cpu"
"""What `cupy.__version__` says: the interface of CuPy 14, on the CPU."""


class Names(ModuleType):
    """A module with a fixed list of names; any other is an AttributeError that says so."""

    def __getattr__(self, name: str) -> NoReturn:
        """Whatever cupy has beyond the list is missing here."""
        raise AttributeError(
            f"the stand-in for cupy that runs kernels on the CPU has no {self.__name__}.{name}"
        )


class EmulatedCuPy(Names):
    """The stand-in for cupy; `emulator` holds its settings, `counters` what has been done."""

    emulator: Emulator
    counters: Counters

    def submodules(self) -> dict[str, ModuleType]:
        """Every module of the stand-in by the name it is imported by."""
        found: dict[str, ModuleType] = {}

        def visit(module: ModuleType) -> None:
            found[module.__name__] = module
            for value in vars(module).values():
                if isinstance(value, Names):
                    visit(value)

        visit(self)
        return found


def emulated_cupy(
    *,
    order: str | None = None,
    seed: int | None = None,
    sanitize: bool | None = None,
    timeout: float | None = None,
    multiprocessors: int = 132,
) -> EmulatedCuPy:
    """A stand-in for the module cupy whose kernels run on the CPU.

    order: forward, reverse, shuffle or starve, of threads and blocks; rotate takes the next one
    at each launch.  seed: of the shuffled order.  sanitize: compile with AddressSanitizer (see
    `run_sanitized`).  timeout: seconds without progress before a launch is given up.
    multiprocessors: how many the device has; cooperative launches must fit them.  Arguments that
    are None are taken from CUDA_ON_CPU_ORDER, _SEED, _SANITIZE and _TIMEOUT.

    Each call gives a device of its own, with its own counters.
    """
    emulator = Emulator(
        order=order, seed=seed, sanitize=sanitize, timeout=timeout, multiprocessors=multiprocessors
    )
    functions = Functions(emulator)
    cupy = EmulatedCuPy("cupy", "CuPy's names for generated modules, on the CPU.")
    cupy.emulator, cupy.counters = emulator, emulator.counters
    _fill(
        cupy,
        {name: getattr(functions, name) for name in dir(Functions) if name[0] != "_"},
        {name: getattr(np, name) for name in _DTYPES},
        __version__=VERSION,
        __path__=[],
        ndarray=ndarray,
        dtype=np.dtype,
        newaxis=None,
        RawModule=_on(RawModule, emulator),
        RawKernel=_on(RawKernel, emulator),
        cublas=_fill(Names("cupy.cublas"), gemm=Cublas(emulator).gemm),
        cuda=_cuda(emulator),
    )
    return cupy


_DTYPES = (
    "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64",
)  # fmt: skip


def _cuda(emulator: Emulator) -> ModuleType:
    stream = _on(cuda.Stream, emulator)
    null = stream(null=True)
    stream.null = null
    return _fill(
        Names("cupy.cuda"),
        Device=_on(cuda.Device, emulator),
        Stream=stream,
        Event=_on(cuda.Event, emulator),
        MemoryPointer=MemoryPointer,
        get_current_stream=lambda: (emulator.streams or [null])[-1],
        get_elapsed_time=cuda.Event.elapsed,
        is_available=lambda: True,
        runtime=_fill(
            Names("cupy.cuda.runtime"),
            getDeviceCount=lambda: 1,
            CUDARuntimeError=cuda.CUDARuntimeError,
        ),
        compiler=_fill(Names("cupy.cuda.compiler"), CompileException=CompileException),
    )


def _on(base: type[Any], emulator: Emulator) -> Any:
    """The class, bound to one device."""
    return type(base.__name__, (base,), {"_emulator": emulator, "__doc__": base.__doc__})


def _fill(module: ModuleType, *tables: dict[str, Any], **names: Any) -> ModuleType:
    for table in (*tables, names):
        vars(module).update(table)
    return module
