"""The C++ libraries as Python objects: load them, ask for kernels, launch one."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lstmgen.errors import UnavailableError, VerificationError

from .compiler import find_compiler

__all__ = ["KernelError", "LaunchOptions", "ModuleLibrary", "NativeKernel", "Parameter"]

_CODES = ("", "fault", "deadlock", "timeout", "trap", "misuse")


class KernelError(VerificationError, RuntimeError):
    """A kernel failed while it ran.

    `kernel` is its name, `kind` one of fault, deadlock, timeout, trap, misuse, bounds; `block`
    and `thread` say where (None where it is not one thread's), `line` is the line of the kernel
    text and `address` that of a memory fault (0 where they are not known).
    """

    def __init__(
        self,
        kernel: str,
        kind: str,
        message: str,
        *,
        block: tuple[int, int, int] | None = None,
        thread: tuple[int, int, int] | None = None,
        line: int = 0,
        address: int = 0,
    ) -> None:
        """Compose the message: the kernel, the place, what happened."""
        self.kernel, self.kind = kernel, kind
        self.block, self.thread, self.line = block, thread, line
        self.address = address
        place = "".join(
            f", {word} {value}"
            for word, value in (("block", block), ("thread", thread), ("line", line))
            if value
        )
        super().__init__(f"kernel {kernel}{place}: {message}")


@dataclass(frozen=True)
class Parameter:
    """A kernel's parameter: a pointer or a value, and the kind and size of the element.

    `kind` is f (floating), i, u (integers), b (bool), h (bfloat16), v (void) or x (anything
    else); `elements` is 2 or 4 for float2, int4 and the like.
    """

    pointer: bool
    kind: str
    size: int
    elements: int

    @classmethod
    def read(cls, text: str) -> Parameter:
        """From the four characters that export.h writes."""
        return cls(text[0] == "P", text[1], int(text[2], 36), int(text[3]))

    def __str__(self) -> str:
        """As it would be declared in C++."""
        names = {
            "f4": "float", "f8": "double", "i1": "signed char", "i2": "short", "i4": "int",
            "i8": "long long", "u1": "unsigned char", "u2": "unsigned short", "u4": "unsigned int",
            "u8": "unsigned long long", "b1": "bool", "h2": "__nv_bfloat16", "v0": "void",
        }  # fmt: skip
        name = names.get(f"{self.kind}{self.size}", f"a type of {self.size} bytes")
        return f"{name}{self.elements if self.elements > 1 else ''}{' *' if self.pointer else ''}"


@dataclass(frozen=True)
class LaunchOptions:
    """How a launch is to run: order 0 forward, 1 reverse, 2 shuffle, 3 starve; see launch.h."""

    cooperative: bool
    order: int
    seed: int
    capacity: int
    timeout: float


class _Parameters(ctypes.Structure):
    _fields_ = (
        ("grid", ctypes.c_uint32 * 3),
        ("block", ctypes.c_uint32 * 3),
        ("shared_bytes", ctypes.c_uint32),
        ("cooperative", ctypes.c_uint32),
        ("order", ctypes.c_uint32),
        ("capacity", ctypes.c_uint32),
        ("seed", ctypes.c_uint64),
        ("timeout", ctypes.c_double),
    )


class _Report(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_int32),
        ("has_thread", ctypes.c_uint32),
        ("block", ctypes.c_uint32 * 3),
        ("thread", ctypes.c_uint32 * 3),
        ("line", ctypes.c_uint32),
        ("address", ctypes.c_uint64),
        ("message", ctypes.c_char * 3072),
    )


class _Info(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("signature", ctypes.c_char_p),
        ("run_threads", ctypes.c_void_p),
        ("registers", ctypes.c_void_p),
        ("dynamic_shared", ctypes.c_void_p),
        ("max_threads", ctypes.c_uint),
        ("cluster", ctypes.c_uint * 3),
    )


class NativeKernel:
    """One kernel of a loaded library: its parameters, its bounds, and `run`."""

    def __init__(self, name: str, address: int, runtime: ctypes.CDLL) -> None:
        """`address` is that of the kernel's KernelInfo."""
        info = _Info.from_address(address)
        text = info.signature.decode()
        self.name = name
        self.parameters = tuple(Parameter.read(text[i : i + 4]) for i in range(0, len(text), 4))
        self.max_threads = int(info.max_threads)
        self.cluster = (int(info.cluster[0]), int(info.cluster[1]), int(info.cluster[2]))
        self.has_dynamic_shared = bool(info.dynamic_shared)
        self._address = ctypes.c_void_p(address)
        self._launch = runtime.cuda_on_cpu_launch

    def run(
        self,
        grid: tuple[int, int, int],
        block: tuple[int, int, int],
        values: Sequence[int],
        shared_bytes: int,
        options: LaunchOptions,
    ) -> None:
        """Run every thread; `values` are the arguments' bits.  Raises KernelError."""
        count = max(1, len(values))
        slots = (ctypes.c_uint64 * count)(*values)
        base = ctypes.addressof(slots)
        pointers = (ctypes.c_void_p * count)(*(base + 8 * i for i in range(count)))
        parameters = _Parameters(
            grid, block, shared_bytes, options.cooperative, options.order, options.capacity,
            options.seed, options.timeout,
        )  # fmt: skip
        report = _Report()
        code = self._launch(self._address, ctypes.byref(parameters), pointers, ctypes.byref(report))
        if code:
            has = int(report.has_thread)
            text = report.message.decode(errors="replace")
            message, line, address = text, int(report.line), int(report.address)
            if "AddressSanitizer" in text:
                message, line, address = _sanitizer_report(text)
            raise KernelError(
                self.name,
                _CODES[code],
                message,
                block=_three(report.block) if has & 1 else None,
                thread=_three(report.thread) if has & 2 else None,
                line=line,
                address=address,
            )


class ModuleLibrary:
    """The loaded library of one kernel text; `kernel(number)` gives what was exported."""

    _lock = threading.Lock()
    _loaded: set[Path] = set()  # noqa: RUF012 - guarded by the lock

    def __init__(self, path: Path, *, sanitize: bool) -> None:
        """Load `path`, as a private copy where it is loaded already.

        Two modules of the same text then have __device__ variables of their own, as on a GPU.
        """
        self._runtime = runtime_library(sanitize)
        with self._lock:
            first = path not in self._loaded
            self._loaded.add(path)
        if first:
            self._library = ctypes.CDLL(str(path))
            return
        handle, name = tempfile.mkstemp(prefix=path.stem, suffix=".copy", dir=path.parent)
        os.close(handle)
        try:
            shutil.copyfile(path, name)
            self._library = ctypes.CDLL(name)
        finally:
            os.unlink(name)

    def kernel(self, number: int, name: str) -> NativeKernel:
        """The kernel exported under `number`."""
        describe = self._library[f"cuda_on_cpu_kernel_{number}"]
        describe.restype = ctypes.c_void_p
        describe.argtypes = ()
        return NativeKernel(name, describe(), self._runtime)


@cache
def runtime_library(sanitize: bool) -> ctypes.CDLL:
    """The runtime, built where necessary and loaded once."""
    if sanitize and not sanitizer_is_loaded():
        raise UnavailableError(
            "AddressSanitizer must be loaded before Python: run the check through "
            "lstmgen.cuda.on_cpu.run_sanitized, or with the environment that "
            "lstmgen.cuda.on_cpu.sanitizer_environment() gives"
        )
    library = ctypes.CDLL(str(find_compiler().build_runtime(sanitize=sanitize)))
    library.cuda_on_cpu_launch.restype = ctypes.c_int
    library.cuda_on_cpu_launch.argtypes = (ctypes.c_void_p,) * 4
    if sanitize:
        library.cuda_on_cpu_poison.restype = None
        library.cuda_on_cpu_poison.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return library


def sanitizer_is_loaded() -> bool:
    """Whether this process runs under AddressSanitizer."""
    return hasattr(ctypes.CDLL(None), "__asan_init")


def _sanitizer_report(text: str) -> tuple[str, int, int]:
    """What AddressSanitizer found, in one line; the line of the kernel text; the address."""
    what = re.search(r"AddressSanitizer: (\S+)", text)
    address = re.search(r"on (?:unknown )?address (0x[0-9a-f]+)", text)
    access = re.search(r"^(READ|WRITE) of size (\d+)", text, re.MULTILINE)
    line = re.search(r"kernel\.cu:(\d+)", text)
    message = f"AddressSanitizer: {what.group(1) if what else 'an error'}"
    if access:
        message += f", {access.group(1).lower()} of {access.group(2)} bytes"
    if address:
        message += f" at address {address.group(1)}"
    return message, int(line.group(1)) if line else 0, int(address.group(1), 16) if address else 0


def _three(values: Sequence[int]) -> tuple[int, int, int]:
    return int(values[0]), int(values[1]), int(values[2])
