"""What the tests of the CPU emulation share: a stand-in for cupy, and how kernels are run."""

from __future__ import annotations

from typing import Any

import pytest
from needs import missing

from lstmgen.cuda import on_cpu as cuda_on_cpu
from lstmgen.cuda.compiler.nvrtc import Nvrtc
from lstmgen.errors import UnavailableError

ORDERS = cuda_on_cpu.ORDERS


@pytest.fixture(scope="session")
def compiler() -> Any:
    """The C++ compiler."""
    try:
        return cuda_on_cpu.find_compiler()
    except UnavailableError as error:
        missing(error)


@pytest.fixture(scope="session")
def sanitizer(compiler: Any) -> dict[str, str]:
    """The environment in which kernels run under AddressSanitizer."""
    try:
        return cuda_on_cpu.sanitizer_environment()
    except UnavailableError as error:
        missing(error)


@pytest.fixture(scope="session")
def nvrtc() -> Any:
    """NVRTC, to compile the tests' own texts as CUDA."""
    try:
        return Nvrtc.load()
    except UnavailableError as error:
        missing(error)


@pytest.fixture
def cupy(compiler: Any) -> cuda_on_cpu.EmulatedCuPy:
    """A stand-in whose order rotates, as by default."""
    return cuda_on_cpu.emulated_cupy(order="rotate", seed=0, sanitize=False, timeout=20.0)


@pytest.fixture(params=ORDERS)
def ordered(compiler: Any, request: Any) -> cuda_on_cpu.EmulatedCuPy:
    """A stand-in for each order of threads and blocks."""
    return cuda_on_cpu.emulated_cupy(order=request.param, seed=3, sanitize=False, timeout=20.0)
