"""Run generated CuPy modules without a GPU: the CUDA language and CuPy's names on the CPU.

    from lstmgen.cuda import on_cpu as cuda_on_cpu

    cupy = cuda_on_cpu.emulated_cupy(order="shuffle", seed=1)
    module = cuda_on_cpu.load_module("generated/lstm_cupy.py", cupy=cupy)
    with cupy.counters.during() as counts:
        module.forward(params, x)  # arrays by cupy.asarray

The kernel text is compiled as it is by g++ or clang++; README.md beside this file says what the
emulation proves and what it cannot.
"""

from __future__ import annotations

from .array import memory
from .compiler import CompileException, cache_folder, find_compiler
from .emulator import ORDERS, Counters, Emulator
from .loader import load_module
from .module import EmulatedCuPy, emulated_cupy
from .native import KernelError
from .sanitizer import run_sanitized, sanitizer_environment

__all__ = [
    "ORDERS",
    "CompileException",
    "Counters",
    "EmulatedCuPy",
    "Emulator",
    "KernelError",
    "cache_folder",
    "emulated_cupy",
    "find_compiler",
    "load_module",
    "memory",
    "run_sanitized",
    "sanitizer_environment",
]
