"""What tests need of the machine; without it they are skipped, with the reason."""

from __future__ import annotations

import gc
import os
from typing import Any

import pytest
from needs import missing

from lstmgen.errors import UnavailableError

# Before NumPy is imported: the matrices of tests are small, and threads that wait for each other
# burn the time of the other processes.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# So that torch starts no processes, each of which would import it, to compile a few lines.
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")


@pytest.fixture(scope="session")
def cuda_on_the_cpu() -> None:
    """A C++ compiler, which runs kernels on the CPU."""
    from lstmgen.cuda import on_cpu as cuda_on_cpu

    try:
        cuda_on_cpu.find_compiler()
    except UnavailableError as error:
        missing(error)


@pytest.fixture(scope="session")
def nvrtc_here() -> None:
    """NVRTC, which compiles kernels for GPUs."""
    from lstmgen.cuda.compiler.nvrtc import Nvrtc

    try:
        Nvrtc.load()
    except UnavailableError as error:
        missing(error)


@pytest.fixture(scope="session")
def gpu() -> Any:
    """CuPy with a CUDA device.  CI has none, so this skips there too."""
    # Without a workspace for each stream, cuBLAS gives equal bits only where one stream works.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed (lstmgen[cuda12] or [cuda13])")
    try:
        devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        pytest.skip(f"there is no CUDA device here: {error}")
    if not devices:
        pytest.skip("there is no CUDA device here")
    return cupy


def pytest_collection_finish() -> None:
    """What is imported stays: the collector of garbage need not look at it again and again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """One process for the tests on a GPU: each would take a part of its memory."""
    return 1 if config.option.markexpr == "gpu" else None
