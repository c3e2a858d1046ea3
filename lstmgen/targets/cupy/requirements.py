"""What CuPy modules need, and how to find out whether it is here."""

from __future__ import annotations

import ctypes
import importlib
import platform
import re
import shutil
from importlib import metadata

from lstmgen.errors import LstmgenError, UnavailableError
from lstmgen.targets.requirement import Requirement

__all__ = ["requirements"]


def requirements() -> tuple[Requirement, ...]:
    """CuPy and a device to run modules; compilers to run and check them without."""
    return (
        Requirement(
            "cupy",
            _cupy,
            "running CuPy modules (not for generating them)",
            'pip install "lstmgen[cuda12]" or "lstmgen[cuda13]", as the driver\'s CUDA version is',
        ),
        Requirement(
            "CUDA device",
            _device,
            "running CuPy modules (not for generating them)",
            "a machine with an NVIDIA GPU and its driver",
        ),
        Requirement(
            "C++ compiler",
            _compiler,
            "running CuPy modules without a GPU: `lstmgen verify CELL --target cupy`, and tests",
            "apt install g++, or set CXX",
        ),
        Requirement(
            "NVRTC",
            _nvrtc,
            "compiling kernels without a GPU: verify and explain with `--target cupy`, and tests",
            'pip install "lstmgen[cuda-check]"',
        ),
    )


def _cupy() -> str | None:
    """CuPy's wheels carry the CUDA version in their name; CUDA's libraries come apart from them."""
    found = sorted(
        f"{dist.metadata['Name']} {dist.version}"
        for dist in metadata.distributions()
        if re.fullmatch(r"cupy(-cuda\d+x)?", dist.metadata["Name"] or "")
    )
    if not found:
        return None
    names = ", ".join(found)
    try:
        for module in ("cupy", "cupy.cublas", "cupy_backends.cuda.libs.nvrtc"):
            importlib.import_module(module)
    except Exception as error:  # whatever a broken installation raises
        raise UnavailableError(f"{names} is installed but cannot be used: {error}") from None
    return names


def _device() -> str | None:
    """Asks the driver itself, so that CuPy is not needed to know whether a GPU is here."""
    library = "nvcuda.dll" if platform.system() == "Windows" else "libcuda.so.1"
    try:
        cuda = ctypes.CDLL(library)
    except OSError:
        raise UnavailableError(f"not found: there is no driver ({library})") from None
    count, version = ctypes.c_int(), ctypes.c_int()
    if status := cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count)):
        raise UnavailableError(f"not found: the driver's error {status} (CUresult)")
    if not count.value:
        raise UnavailableError("not found: the driver sees none (CUDA_VISIBLE_DEVICES?)")
    cuda.cuDriverGetVersion(ctypes.byref(version))
    names = []
    for index in range(count.value):
        device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
        name = ctypes.create_string_buffer(256)
        cuda.cuDeviceGet(ctypes.byref(device), index)
        cuda.cuDeviceGetName(name, len(name), device)
        cuda.cuDeviceGetAttribute(ctypes.byref(major), 75, device)  # compute capability, major
        cuda.cuDeviceGetAttribute(ctypes.byref(minor), 76, device)  # and minor
        names.append(f"{name.value.decode()} (sm_{major.value}{minor.value})")
    driver = f"{version.value // 1000}.{version.value % 1000 // 10}"
    return f"{', '.join(names)}, driver for CUDA {driver}"


def _compiler() -> str | None:
    """The one that a verification would take."""
    from lstmgen.cuda.on_cpu import find_compiler

    try:
        found = find_compiler()
    except LstmgenError:
        return None
    return f"{found.version} ({shutil.which(found.command[0])})"


def _nvrtc() -> str | None:
    from lstmgen.cuda.compiler.nvrtc import Nvrtc

    try:
        nvrtc = Nvrtc.load()
    except LstmgenError:
        return None
    return f"{nvrtc.version[0]}.{nvrtc.version[1]} ({nvrtc.path})"
