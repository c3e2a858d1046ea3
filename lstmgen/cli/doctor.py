"""What is installed here, and for what is not: what needs it and how to get it."""

from __future__ import annotations

import ctypes
import importlib
import platform
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata

from lstmgen import __version__
from lstmgen.errors import LstmgenError, UnavailableError

__all__ = ["SCHEMA", "Finding", "as_json", "as_text", "examine"]

SCHEMA = 1
"""Version of the JSON form; it grows when a field changes its meaning or goes."""

_CUPY_CURE = 'pip install "lstmgen[cuda12]" or "lstmgen[cuda13]", as the driver\'s CUDA version is'


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for.

    Attributes:
        name: what was looked for.
        found: whether it is here.
        detail: its version, and where it is; when it is absent, why, or empty.
        needed_for: what does not work without it.
        cure: how to get it.
    """

    name: str
    found: bool
    detail: str
    needed_for: str
    cure: str


def examine() -> list[Finding]:
    """Look for everything that lstmgen can use; nothing is changed, and no error is raised."""
    python = f"{platform.python_version()} ({platform.machine()}, {platform.system()})"
    findings = [
        Finding("python", True, python, "everything", "Python 3.11 or later"),
        Finding("lstmgen", True, __version__, "everything", "pip install lstmgen"),
    ]
    for package, needed_for in {
        "sympy": "reading equations",
        "mpmath": "verification at 50 digits",
        "jinja2": "generating modules",
        "numpy": "running and verifying NumPy modules",
    }.items():
        findings.append(
            _look(package, partial(_version, package), needed_for, f"pip install {package}")
        )
    return [
        *findings,
        _look("cupy", _cupy, "running CuPy modules (not for generating them)", _CUPY_CURE),
        _look(
            "CUDA device",
            _device,
            "running CuPy modules (not for generating them)",
            "a machine with an NVIDIA GPU and its driver",
        ),
        _look(
            "C++ compiler",
            _compiler,
            "running CuPy modules without a GPU: `lstmgen verify CELL --target cupy`, and tests",
            "apt install g++, or set CXX",
        ),
        _look(
            "NVRTC",
            _nvrtc,
            "compiling kernels without a GPU: verify and explain with `--target cupy`, and tests",
            'pip install "lstmgen[cuda-check]"',
        ),
        _look(
            "PyTorch",
            partial(_version, "torch"),
            "weights to and from PyTorch; the benchmarks, which compare with it",
            'pip install "lstmgen[bench]"',
        ),
        _look(
            "pdflatex",
            partial(_program, "pdflatex"),
            "typesetting what `lstmgen latex --standalone` prints",
            "apt install texlive-latex-base",
        ),
    ]


def as_text(findings: list[Finding]) -> str:
    """A line for each thing that is here, and what to do about each that is not."""
    width = max(len(f.name) for f in findings)
    lines = []
    for f in findings:
        lines.append(f"{f.name:<{width}}  {f.detail or 'not found'}")
        if not f.found:
            lines.append(f"{'':<{width}}    needed for: {f.needed_for}")
            lines.append(f"{'':<{width}}    to get it: {f.cure}")
    return "\n".join(lines)


def as_json(findings: list[Finding]) -> dict[str, object]:
    """The findings as plain data."""
    return {"schema": SCHEMA, "findings": [asdict(f) for f in findings]}


def _look(name: str, search: Callable[[], str | None], needed_for: str, cure: str) -> Finding:
    """A search gives the detail, or None where the thing is absent, or raises to say why."""
    try:
        detail = search()
    except UnavailableError as error:
        return Finding(name, False, str(error), needed_for, cure)
    return Finding(name, detail is not None, detail or "", needed_for, cure)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


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


def _program(name: str) -> str | None:
    """First line of the program's version and its place; None where it is absent or broken."""
    path = shutil.which(name)
    if path is None:
        return None
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{done.stdout.partition(chr(10))[0]} ({path})"
