"""Compile CUDA text without a GPU: NVRTC from PyPI wheels, through ctypes, no driver needed.

`Nvrtc.load()` finds the library in the installed wheels; `Nvrtc.compile` turns source into a
`Compiled` with the machine code (CUBIN), the PTX, the compiler's log, and a table of what each
kernel takes from a multiprocessor.  `double_instructions` looks for double precision in the PTX,
where a stray double literal in float code shows.

    nvrtc = Nvrtc.load()
    for compiled in nvrtc.compile_all(source, options=("-std=c++17",)):
        for kernel in compiled.kernels:
            print(kernel.kernel, kernel.arch, kernel.registers, kernel.occupancy(256).blocks)
"""

from __future__ import annotations

import ctypes
import importlib.util
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from lstmgen.errors import LstmgenError, UnavailableError, UsageError

from .occupancy import LIMITS, Occupancy, occupancy
from .ptx import DoubleInstruction, double_instructions, entry_names

__all__ = [
    "ARCHITECTURES",
    "EXTRA",
    "CompileError",
    "Compiled",
    "DoubleInstruction",
    "KernelResources",
    "Nvrtc",
    "double_instructions",
    "parse_resources",
]

EXTRA = "cuda-check"
"""The extra of lstmgen that installs the wheels used here."""

ARCHITECTURES: tuple[str, ...] = tuple(entry.architecture for entry in LIMITS)
"""Architectures compiled for unless told otherwise: sm_80, sm_90, sm_100, sm_120."""

_INSTALL = (
    f'Install them with: pip install "lstmgen[{EXTRA}]" (the wheels nvidia-cuda-nvrtc, '
    "nvidia-cuda-runtime, nvidia-cuda-cccl and nvidia-cuda-crt; no GPU and no driver is needed)."
)


class CompileError(LstmgenError):
    """CUDA source was refused.  `arch` is the architecture, `log` what the compiler wrote."""

    def __init__(self, arch: str, reason: str, log: str, hint: str = "") -> None:
        """Compose the message from the compiler's reason and log."""
        self.arch = arch
        self.log = log
        super().__init__(f"NVRTC could not compile for {arch}: {reason}{hint}\n{log}".rstrip())


@dataclass(frozen=True, slots=True)
class KernelResources:
    """What one kernel takes, compiled for one architecture, as ptxas reports it.

    Spills, stack and shared memory in bytes: stack and spills per thread, shared memory per block
    without what the launch adds.  Spills and stack of a device function that was not inlined are
    in `Compiled.functions`, under the function's own name.
    """

    kernel: str
    """The name in the machine code; mangled unless declared extern "C"."""
    arch: str
    registers: int
    """Per thread, 32 bits each; 0 for a device function, which uses its caller's."""
    spill_stores: int
    spill_loads: int
    stack_frame: int
    static_shared: int
    barriers: int

    @property
    def spills(self) -> bool:
        """Whether registers were written to local memory for want of room."""
        return self.spill_stores > 0 or self.spill_loads > 0

    def occupancy(self, block_size: int, *, dynamic_shared: int = 0) -> Occupancy:
        """Resident blocks per multiprocessor for a block of so many threads.

        `dynamic_shared` is the dynamic shared memory of the launch in bytes.  Errors as
        `lstmgen.cuda.compiler.occupancy.occupancy`.
        """
        return occupancy(
            self.arch,
            block_size,
            registers=self.registers,
            static_shared=self.static_shared,
            dynamic_shared=dynamic_shared,
        )


@dataclass(frozen=True)
class Compiled:
    """One source compiled for one architecture."""

    arch: str
    cubin: bytes
    ptx: str
    log: str
    kernels: tuple[KernelResources, ...]
    """One row per kernel, sorted by name."""
    functions: tuple[KernelResources, ...] = ()
    """One row per device function that was not inlined, sorted by name."""
    lowered: tuple[tuple[str, str], ...] = ()
    """Each name expression asked for with its name in the machine code."""

    @cached_property
    def doubles(self) -> tuple[DoubleInstruction, ...]:
        """The double-precision instructions of the PTX; empty for a clean float kernel."""
        return double_instructions(self.ptx)

    def kernel(self, name: str) -> KernelResources:
        """The row of the kernel `name`; UsageError when the source has none of that name."""
        for row in self.kernels:
            if row.kernel == name:
                return row
        known = ", ".join(row.kernel for row in self.kernels) or "none"
        raise UsageError(f"there is no kernel {name!r}; the source defines {known}")

    @property
    def spilling(self) -> tuple[KernelResources, ...]:
        """The kernels and device functions that spill registers."""
        return tuple(row for row in (*self.kernels, *self.functions) if row.spills)


@dataclass(frozen=True)
class Nvrtc:
    """A loaded NVRTC library and the folders of the headers that belong to it."""

    library: ctypes.CDLL = field(repr=False, compare=False)
    path: Path
    version: tuple[int, int]
    include: tuple[Path, ...]
    """Folders of CUDA headers found; empty when only the compiler's wheel is installed."""
    architectures: tuple[int, ...]
    """The architectures this NVRTC knows, as numbers: 80, 90, ..."""

    @classmethod
    def load(cls, roots: Iterable[Path] | None = None) -> Nvrtc:
        """Load the newest NVRTC among the installed wheels.

        `roots` are the folders of the package `nvidia` to look in; by default those on the import
        path.  Both layouts are known: CUDA 13's `nvidia/cu13/lib` and CUDA 12's
        `nvidia/cuda_nvrtc/lib`.  Raises UnavailableError, which says what to install, when there
        is none or it cannot be loaded.
        """
        folders = _nvidia_folders() if roots is None else [Path(root) for root in roots]
        found = [candidate for root in folders for candidate in _candidates(root)]
        if not found:
            where = ", ".join(str(f) for f in folders) or "no package named nvidia is installed"
            raise UnavailableError(f"NVRTC was not found ({where}). {_INSTALL}")
        path, include = found[0]
        try:
            # NVRTC asks the loader for its built-in headers by name; some versions do not say in
            # which folder they lie, so they are loaded first.
            for builtins in sorted(path.parent.glob("libnvrtc-builtins.so.*")):
                ctypes.CDLL(str(builtins))
            library = ctypes.CDLL(str(path))
        except OSError as error:
            raise UnavailableError(f"{path} cannot be loaded: {error}. {_INSTALL}") from error
        library.nvrtcGetErrorString.restype = ctypes.c_char_p
        major, minor, count = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
        _check(library, library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)))
        _check(library, library.nvrtcGetNumSupportedArchs(ctypes.byref(count)))
        numbers = (ctypes.c_int * count.value)()
        _check(library, library.nvrtcGetSupportedArchs(numbers))
        return cls(library, path, (major.value, minor.value), include, tuple(sorted(numbers)))

    def supports(self, arch: str) -> bool:
        """Whether this NVRTC can compile for `arch`, e.g. "sm_120"."""
        return _arch_number(arch) in self.architectures

    def compile(
        self,
        source: str,
        *,
        arch: str,
        options: Sequence[str] = (),
        names: Sequence[str] = (),
        file_name: str = "kernel.cu",
    ) -> Compiled:
        """Compile `source` for `arch` ("sm_90"; suffixes such as "sm_90a" are passed on).

        `options` are NVRTC's own, such as "-std=c++17" or "-maxrregcount=32"; the architecture,
        the include folders and ptxas's report are added.  `names` are name expressions that
        instantiate templates, such as "kernel<float>".  `file_name` appears in messages.  Raises
        CompileError with the compiler's log, UsageError for an option that is not this call's to
        give or a malformed architecture, UnavailableError for an architecture that this NVRTC does
        not know.
        """
        self._require(arch)
        for option in options:
            if re.match(r"(-arch|--gpu-architecture)\b", option):
                raise UsageError(f"give the architecture as arch=, not as the option {option!r}")
        flags = (
            f"--gpu-architecture={arch}",
            "--ptxas-options=-v",
            *options,
            *(f"--include-path={folder}" for folder in self.include),
        )
        lib, program = self.library, ctypes.c_void_p()
        text, title = source.encode(), file_name.encode()
        _check(lib, lib.nvrtcCreateProgram(ctypes.byref(program), text, title, 0, None, None))
        try:
            for name in names:
                _check(lib, lib.nvrtcAddNameExpression(program, name.encode()))
            argv = (ctypes.c_char_p * len(flags))(*(flag.encode() for flag in flags))
            status = lib.nvrtcCompileProgram(program, len(flags), argv)
            log = self._fetch(program, "ProgramLog").rstrip(b"\0").decode(errors="replace").strip()
            if status:
                reason = lib.nvrtcGetErrorString(status).decode()
                raise CompileError(arch, reason, log, self._hint(log))
            cubin = self._fetch(program, "CUBIN")
            ptx = self._fetch(program, "PTX").rstrip(b"\0").decode()
            lowered = tuple((name, self._lowered(program, name)) for name in names)
        finally:
            lib.nvrtcDestroyProgram(ctypes.byref(program))
        rows = {row.kernel: row for row in parse_resources(log, arch)}
        names_of_kernels = entry_names(ptx)
        if missing := [name for name in names_of_kernels if name not in rows]:
            raise LstmgenError(_unreadable(arch, missing, log))
        kernels = tuple(rows.pop(name) for name in names_of_kernels)
        functions = tuple(rows.values())
        return Compiled(arch, cubin, ptx, log, kernels, functions, lowered)

    def compile_all(
        self,
        source: str,
        *,
        archs: Sequence[str] = ARCHITECTURES,
        options: Sequence[str] = (),
        names: Sequence[str] = (),
        file_name: str = "kernel.cu",
    ) -> tuple[Compiled, ...]:
        """`compile` for each architecture in turn; stops at the first that fails."""
        return tuple(
            self.compile(source, arch=arch, options=options, names=names, file_name=file_name)
            for arch in archs
        )

    def _require(self, arch: str) -> None:
        if not self.supports(arch):
            known = ", ".join(f"sm_{number}" for number in self.architectures)
            raise UnavailableError(
                f"NVRTC {self.version[0]}.{self.version[1]} cannot compile for {arch}; it knows "
                f"{known}. Install a newer one: pip install --upgrade nvidia-cuda-nvrtc"
            )

    def _hint(self, log: str) -> str:
        if not re.search(r"(could not|cannot) open source file", log):
            return ""
        found = ", ".join(str(folder) for folder in self.include) or "none"
        return f"\nA header was not found (folders searched: {found}). {_INSTALL}"

    def _fetch(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        _check(
            self.library,
            getattr(self.library, f"nvrtcGet{what}Size")(program, ctypes.byref(size)),
        )
        buffer = ctypes.create_string_buffer(size.value)
        _check(self.library, getattr(self.library, f"nvrtcGet{what}")(program, buffer))
        return buffer.raw[: size.value]

    def _lowered(self, program: ctypes.c_void_p, name: str) -> str:
        lowered = ctypes.c_char_p()
        _check(
            self.library,
            self.library.nvrtcGetLoweredName(program, name.encode(), ctypes.byref(lowered)),
        )
        return (lowered.value or b"").decode()


_PROPERTIES = re.compile(
    r"Function properties for (?P<name>\S+)\s+(?:ptxas\s+\.)?\s*(?P<stack>\d+) bytes stack frame, "
    r"(?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads"
)
_ENTRY = re.compile(r"Compiling entry function '(?P<name>[^']+)' for '(?P<arch>[^']+)'")
_USED = re.compile(r"Used \d+ registers[^\n]*")


def parse_resources(log: str, arch: str) -> tuple[KernelResources, ...]:
    """The rows of a ptxas report (`--ptxas-options=-v`), sorted by name.

    A kernel's row holds all it uses; a device function's only stack and spills, as ptxas says no
    more of it.  A log without a report gives no rows; one that cannot be read, an LstmgenError.
    """
    used: dict[str, str] = {}
    # Each entry's registers follow its header; the properties of functions may come after them.
    marks = list(_ENTRY.finditer(log))
    ends = [*(mark.start() for mark in marks[1:]), len(log)]
    for mark, end in zip(marks, ends, strict=False):  # a log without an entry has one end too many
        line = _USED.search(log, mark.end(), end)
        if line is None:
            raise LstmgenError(_unreadable(arch, [mark["name"]], log))
        used[mark["name"]] = line[0]
    rows = []
    for match in _PROPERTIES.finditer(log):
        line_of = used.get(match["name"], "")
        rows.append(
            KernelResources(
                kernel=match["name"],
                arch=arch,
                registers=_number(r"Used (\d+) registers", line_of),
                spill_stores=int(match["stores"]),
                spill_loads=int(match["loads"]),
                stack_frame=int(match["stack"]),
                static_shared=_number(r"(\d+) bytes smem", line_of),
                barriers=_number(r"used (\d+) barriers", line_of),
            )
        )
    return tuple(sorted(rows, key=lambda row: row.kernel))


def _unreadable(arch: str, names: Sequence[str], log: str) -> str:
    return (
        f"the compiler's report for {arch} does not say what {', '.join(names)} uses; "
        f"this NVRTC writes a report that lstmgen cannot read:\n{log}"
    )


def _number(pattern: str, text: str) -> int:
    match = re.search(pattern, text)
    return int(match[1]) if match else 0


def _arch_number(arch: str) -> int:
    match = re.fullmatch(r"sm_(\d+)[af]?", arch)
    if match is None:
        raise UsageError(f"{arch!r} is no architecture; write e.g. sm_90")
    return int(match[1])


def _check(library: ctypes.CDLL, status: int) -> None:
    if status:
        raise LstmgenError(f"NVRTC: {library.nvrtcGetErrorString(status).decode()}")


def _nvidia_folders() -> list[Path]:
    spec = importlib.util.find_spec("nvidia")
    return [Path(p) for p in (spec.submodule_search_locations or ())] if spec else []


def _candidates(root: Path) -> list[tuple[Path, tuple[Path, ...]]]:
    """The NVRTC libraries under one `nvidia` folder with their header folders, newest first."""
    layouts = [  # CUDA 13 and later: one folder a major version; CUDA 12: one folder a wheel
        (folder / "lib", [folder / "include", folder / "include" / "cccl"])
        for folder in sorted(root.glob("cu[0-9]*"), key=lambda f: _number(r"cu(\d+)", f.name))[::-1]
    ]
    wheels = ("cuda_runtime", "cuda_cccl", "cuda_nvcc")
    layouts.append((root / "cuda_nvrtc" / "lib", [root / wheel / "include" for wheel in wheels]))
    return [
        (library, tuple(folder for folder in include if folder.is_dir()))
        for lib, include in layouts
        for library in sorted(lib.glob("libnvrtc.so.*"))
    ]
