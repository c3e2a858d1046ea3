"""What tests need of the machine; without it they are skipped, with the reason."""

from __future__ import annotations

import os
from typing import Any, NoReturn

import pytest

from lstmgen.errors import UnavailableError


def missing(error: UnavailableError) -> NoReturn:
    """Skip a test, with the reason; under CI=true it fails."""
    if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
        pytest.fail(f"CI needs this: {error}")
    pytest.skip(str(error))


@pytest.fixture(scope="session")
def cuda_on_the_cpu() -> None:
    """A C++ compiler, which runs kernels on the CPU."""
    from lstmgen import cuda_on_cpu

    try:
        cuda_on_cpu.find_compiler()
    except UnavailableError as error:
        missing(error)


@pytest.fixture(scope="session")
def nvrtc_here() -> None:
    """NVRTC, which compiles kernels for GPUs."""
    from lstmgen.cuda_compiler.nvrtc import Nvrtc

    try:
        Nvrtc.load()
    except UnavailableError as error:
        missing(error)


@pytest.fixture(scope="session")
def gpu() -> Any:
    """CuPy with a CUDA device.  CI has none, so this skips there too."""
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed (lstmgen[cuda12] or [cuda13])")
    try:
        devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        pytest.skip(f"there is no CUDA device here: {error}")
    if not devices:
        pytest.skip("there is no CUDA device here")
    return cupy
